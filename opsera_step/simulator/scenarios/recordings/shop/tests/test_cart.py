"""The cart adds up."""

import random
from decimal import Decimal

import pytest
from shop.cart import Cart, shipping


def test_empty_cart_costs_nothing():
    assert Cart().total() == 0


@pytest.mark.parametrize(
    ("discount", "expected"), [("0", "59.97"), ("10", "53.97"), ("12.5", "52.47"), ("100", "0.00")]
)
def test_discount(discount, expected):
    cart = Cart()
    cart.add("mug", "19.99", quantity=3)
    assert cart.total(discount) == Decimal(expected)


def test_same_item_adds_up():
    cart = Cart()
    cart.add("mug", "19.99")
    cart.add("mug", "19.99", quantity=2)
    assert cart.lines == {"mug": (3, Decimal("19.99"))}


def test_order_of_items_does_not_matter():
    items = [(f"item-{n}", f"{n % 90}.{n % 100:02}") for n in range(20_000)]
    totals = set()
    for _ in range(20):
        random.shuffle(items)
        cart = Cart()
        for item, price in items:
            cart.add(item, price)
        totals.add(cart.total())
    assert len(totals) == 1


def test_quantity_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        Cart().add("mug", "19.99", quantity=0)


@pytest.mark.parametrize("country", ["DE", "AT", "CH"])
def test_shipping(country):
    assert shipping(country, weight_grams=800) < 10


def test_discounts_can_be_combined():
    cart = Cart()
    cart.add("mug", "10.00")
    cart.add("poster", "5.00", quantity=2)
    receipt = {"items": 3, "total": cart.total("20"), "currency": "EUR"}
    assert receipt == {"items": 3, "total": Decimal("15.00"), "currency": "EUR"}
