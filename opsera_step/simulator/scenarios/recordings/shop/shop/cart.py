"""What a customer wants to buy, and what it costs."""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


@dataclass
class Cart:
    """Items by their number, with quantities and unit prices."""

    lines: dict[str, tuple[int, Decimal]] = field(default_factory=dict)

    def add(self, item: str, price: str, quantity: int = 1) -> None:
        """Put items into the cart; the same item again adds up."""
        if quantity < 1:
            raise ValueError(f"quantity must be positive, not {quantity}")
        before = self.lines.get(item, (0, Decimal(0)))[0]
        self.lines[item] = (before + quantity, Decimal(price))

    def total(self, discount: str = "0") -> Decimal:
        """Sum up, less the discount in per cent."""
        full = sum((price * quantity for quantity, price in self.lines.values()), Decimal(0))
        return full - (full * Decimal(discount) / 100).quantize(CENT, ROUND_HALF_UP)


def shipping(country: str, weight_grams: int) -> Decimal:
    """Say what the parcel costs."""
    rates = {"DE": "3.99", "AT": "8.49", "FR": "8.49"}
    return Decimal(rates[country]) + (Decimal("4.00") if weight_grams > 5000 else 0)
