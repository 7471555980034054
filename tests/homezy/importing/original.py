"""
The original credit service in small, faults included, and its documents in every form it leaves.

A test lets a professional live and writes what the original would have stored; to see a fault
caught it spoils a document first.
"""

import gzip
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId, encode
from dateutil.relativedelta import relativedelta

START = datetime(2026, 1, 10, 9, tzinfo=UTC)

Document = dict[str, Any]


class Original:
    """The four collections, filled by professionals who live in them."""

    def __init__(self) -> None:
        self.users: list[Document] = []
        self.creditbalances: list[Document] = []
        self.credittransactions: list[Document] = []
        self.creditpurchases: list[Document] = []
        self._ids = 0

    def new_id(self) -> ObjectId:
        self._ids += 1
        return ObjectId(f"{self._ids:024x}")

    def user(self, **fields: Any) -> Document:
        number = len(self.users)
        document = {
            "_id": self.new_id(),
            "email": f"person{number}@example.com",
            "firstName": "Aisha",
            "lastName": "حداد",
            "role": "homeowner",
            "createdAt": START,
            **fields,
        }
        self.users.append(document)
        return document

    def professional(self, **fields: Any) -> "Professional":
        profile = {"businessName": "حداد Landscaping", "verificationStatus": "basic"}
        return Professional(self, self.user(role="pro", proProfile=profile, **fields))

    @property
    def collections(self) -> dict[str, list[Document]]:
        names = ("users", "creditbalances", "credittransactions", "creditpurchases")
        return {name: getattr(self, name) for name in names}

    def write(self, directory: Path, form: str = "relaxed") -> Path:
        """Write the four files; ``form`` is a key of ``FORMS``."""
        for name, documents in self.collections.items():
            ending, content = FORMS[form](documents)
            (directory / f"{name}{ending}").write_bytes(content)
        return directory


class Professional:
    """One who spends, buys and is reset, an hour between any two acts."""

    def __init__(self, original: Original, user: Document) -> None:
        self.original = original
        self.user = user
        self.id = str(user["_id"])
        self.now = START
        self.free = 0
        self.paid = 0
        self.lots: list[Document] = []
        self.balance: Document = {
            "_id": original.new_id(),
            "professionalId": self.id,
            "totalBalance": 0,
            "freeCredits": 0,
            "paidCredits": 0,
            "updatedAt": START,
        }
        original.creditbalances.append(self.balance)

    @property
    def transactions(self) -> list[Document]:
        every = self.original.credittransactions
        return [document for document in every if document["professionalId"] == self.id]

    def _write(self, kind: str, amount: int, description: str, **fields: Any) -> Document:
        self.now += timedelta(hours=1)
        total = self.free + self.paid
        document = {
            "_id": self.original.new_id(),
            "professionalId": self.id,
            "type": kind,
            "amount": amount,
            "creditType": "paid",
            "balanceBefore": total - amount,
            "balanceAfter": total,
            "description": description,
            "remainingAmount": 0,
            "createdAt": self.now,
            **fields,
        }
        self.original.credittransactions.append(document)
        self.balance.update(
            totalBalance=total, freeCredits=self.free, paidCredits=self.paid, updatedAt=self.now
        )
        return document

    def bonus(self, amount: int = 100) -> Document:
        self.free += amount
        lot = self._write(
            "bonus", amount, "Welcome bonus", creditType="free", remainingAmount=amount
        )
        self.lots.append(lot)
        return lot

    def buy(self, amount: int, price: int = 250) -> Document:
        self.paid += amount
        purchase = {
            "_id": self.original.new_id(),
            "professionalId": self.id,
            "credits": amount,
            "priceAED": price,
            "status": "completed",
        }
        self.original.creditpurchases.append(purchase)
        return self._lot(
            amount,
            "Credit purchase - starter",
            {"purchaseId": str(purchase["_id"]), "priceAED": price},
        )

    def _lot(self, amount: int, description: str, metadata: Document) -> Document:
        lot = self._write("purchase", amount, description, metadata=metadata)
        lot.update(remainingAmount=amount, expiresAt=self.now + relativedelta(months=6))
        self.lots.append(lot)
        return lot

    def open_lots(self) -> list[Document]:
        """Free ones first, by age; of paid ones those that have not expired."""
        free = [lot for lot in self.lots if lot["creditType"] == "free"]
        paid = [lot for lot in self.lots if lot.get("expiresAt", self.now) > self.now]
        return [lot for lot in (*free, *paid) if lot["remainingAmount"]]

    def can_spend(self, amount: int) -> bool:
        """The fault: old free lots count, and then the free pool falls below zero."""
        in_lots = sum(lot["remainingAmount"] for lot in self.open_lots())
        free = sum(lot["remainingAmount"] for lot in self.lots if lot["creditType"] == "free")
        return amount <= in_lots and min(free, amount) <= self.free

    def spend(self, amount: int, lead: str = "") -> Document:
        rest = amount
        for lot in self.open_lots():
            taken = min(rest, lot["remainingAmount"])
            lot["remainingAmount"] -= taken
            rest -= taken
            if lot["creditType"] == "free":
                self.free -= taken
            else:
                self.paid -= taken
        assert rest == 0, "the test asks for more than there is"
        lead = lead or f"lead{self.original.new_id()}"
        return self._write("spend", -amount, f"Lead claim {lead}", metadata={"leadId": lead})

    def refund(self, spend: Document) -> Document:
        amount = -spend["amount"]
        self.paid += amount
        lead = spend["metadata"]["leadId"]
        return self._lot(amount, "Refund: Lead cancelled by homeowner", {"leadId": lead})

    def reset(self) -> Document:
        """On the 1st of next month: free credits become 100, and no lot is closed."""
        first = (self.now + relativedelta(months=1)).replace(day=1, hour=0, minute=1)
        self.now = first - timedelta(hours=1)
        found, self.free = self.free, 100
        lot = self._write(
            "monthly_reset",
            100 - found,
            "Monthly free credits reset to 100",
            creditType="free",
            remainingAmount=100,
            metadata={"previousFreeCredits": found},
        )
        self.lots.append(lot)
        return lot

    def expire(self, lot: Document) -> Document:
        """After a lot's expiry, the next morning."""
        self.now = max(self.now, lot["expiresAt"] + timedelta(hours=12))
        amount, lot["remainingAmount"] = lot["remainingAmount"], 0
        self.paid -= amount
        purchase = lot["metadata"].get("purchaseId")
        metadata = {"purchaseId": purchase} if purchase else {}
        return self._write("spend", -amount, "Credits expired", metadata=metadata)

    def expire_next(self) -> None:
        """Let time pass until a lot expires, and the job write off all that have by then."""
        open_lots = [lot for lot in self.lots if "expiresAt" in lot and lot["remainingAmount"]]
        open_lots.sort(key=lambda lot: lot["expiresAt"])
        for lot in open_lots:
            if lot is open_lots[0] or lot["expiresAt"] <= self.now:
                self.expire(lot)


def relaxed(value: Any) -> Any:
    """Extended JSON for people: numbers are numbers, dates are ISO text."""
    match value:
        case ObjectId():
            return {"$oid": str(value)}
        case datetime():
            return {"$date": value.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        case dict():
            return {key: relaxed(item) for key, item in value.items()}
        case list():
            return [relaxed(item) for item in value]
    return value


def canonical(value: Any) -> Any:
    """Extended JSON that keeps every type."""
    match value:
        case bool() | None:
            return value
        case int():
            return {"$numberInt" if abs(value) < 2**31 else "$numberLong": str(value)}
        case float():
            return {"$numberDouble": str(value)}
        case datetime():
            millis = round(value.timestamp() * 1000)
            return {"$date": {"$numberLong": str(millis)}}
        case dict():
            return {key: canonical(item) for key, item in value.items()}
        case list():
            return [canonical(item) for item in value]
    return relaxed(value)


def lines(documents: Iterable[Any]) -> bytes:
    return "".join(f"{json.dumps(document)}\n" for document in documents).encode()


def _bson(documents: Iterable[Document]) -> bytes:
    return b"".join(encode(document) for document in documents)


FORMS: dict[str, Callable[[list[Document]], tuple[str, bytes]]] = {
    "relaxed": lambda documents: (".json", lines(map(relaxed, documents))),
    "canonical": lambda documents: (".json", lines(map(canonical, documents))),
    "packed": lambda documents: (".json.gz", gzip.compress(lines(map(relaxed, documents)))),
    "bson": lambda documents: (".bson", _bson(documents)),
    "packed bson": lambda documents: (".bson.gz", gzip.compress(_bson(documents))),
}
