"""Requests that chance fills in: of any message, with words that an engine may know, and words that it can't."""

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message_factory import GetMessageClass

# What ids, instants, amounts and documents look like; and what they don't.
WORDS = [
    *("acme", "pro", "acme/pro", "tokens", "call", "gold", "alert", "endpoint", "nobody", "-", "*", "_"),
    *("2025-06-01", "2025-06-10T00:00:00Z", "2025-06", "2025-07", "2025-02-30", "9999-12-31", "0001-01-01", "1s", "-1s"),
    *("1", "0", "-3", "2.50", "1e9", "1e999999", "NaN", "٣", "USD", "EUR", "XXX", "Europe/Berlin", "en", "de_CH"),
    *("", " ", "\0", "\u202e", "é" * 200, "../../etc/passwd", "x" * 4_000, "'; drop table events; --", "{{7*7}}", "%s%n"),
    *("meters: [", "{}", "[]", "null", "customers: [{id: new, name: New}]", "id,name\nnew,New\n", "AAAA", "mlk_00_00"),
]  # fmt: skip
# What an engine takes where the contract asks by these names.
SOUND = {
    "customer_id": ["acme", "acme", "acme", "kept", "nobody"],
    "page_token": [""],
    "etag": [""],
    "close_id": [""],
    "plan_id": ["pro"],
    "subscription_id": ["acme:pro", "kept:pro"],
    "event_type": ["call", "invoice.issued"],
    "event_id": ["fuzz-0", "new"],
    "id": ["acme", "pro", "alert", "acme:pro", "tokens"],
    "amount": ["1", "2.50", "0.01", "1000"],
    "document": ["customers: [{id: new, name: New}]", "coupons: []"],
    "definition": ['{"id": "new", "name": "New"}', '{"id": "c", "percent": "5"}'],
    "kind": ["meter", "plan", "customer", "subscription", "coupon", "alert"],
    "currency": ["USD", "USD", "EUR"],
    "reporting_currency": ["USD", ""],
    "meter_id": ["tokens"],
    "alert_id": ["alert"],
    "line_item_id": ["acme:pro:tokens"],
    "file_name": ["new.yaml"],
    "time_zone": ["UTC", "Europe/Berlin"],
    "update_mask": ["name"],
    "url": ["https://hooks.invalid/a"],
    "locale": ["en", "de"],
    "method": ["card"],
    "tenant": [""],
}
_ALIKE = {
    "customer_ids": "customer_id",
    "customer": "customer_id",
    "to_plan_id": "plan_id",
    "subscription_ids": "subscription_id",
    "event_types": "event_type",
    "key": "id",
    "more": "document",
    "value": "amount",
    "quantity": "amount",
    "string_value": "amount",
}
_DAYS = [1_746_057_600, 1_747_000_000, 1_748_736_000, 1_749_513_600, 1_751_328_000]  # 1 May to 1 July 2025
_WHOLE_BOUNDS = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_WHOLE = [-(2**63), -1, 0, 1, 2, 7, 100, 10**6, 1_749_513_600, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]
_DEPTH_MAX = 5


class RequestMaker:
    """`known` are words that the engine has answered: ids of invoices and lines, tokens of pages, revisions."""

    def __init__(self, chance):
        self._chance = chance
        self.known = {}
        # Of one request: how likely a field is there, and that its word is a sound one.
        self._filled, self._sound = 1.0, 1.0

    def request(self, descriptor):
        """One that is sound but for its sense, or one of noise."""
        self._filled = self._chance.choice([0.15, 0.3, 0.5, 0.7, 1.0])
        self._sound = self._chance.choice([1.0, 1.0, 0.95, 0.6, 0.1])
        return self._message(descriptor, 0)

    def _message(self, descriptor, depth):
        made = GetMessageClass(descriptor)()
        if descriptor.full_name == "google.protobuf.Timestamp" and self._is_sound():
            made.seconds = self._chance.choice(_DAYS)
            return made
        for field in descriptor.fields:
            likely = max(self._filled, 0.8 if field.name in ("customer_id", "id", "kind", "currency") else 0)
            if self._chance.random() < likely and depth < _DEPTH_MAX:
                self._fill(made, field, depth)
        return made

    def _is_sound(self):
        return self._chance.random() < self._sound

    def learn(self, message):
        """Its texts are words of later requests, where the contract asks by the same name or by `<message>_<name>`."""
        for field, value in message.ListFields():
            values = value if _is_list(field) else [value]
            for each in list(values)[:5]:
                if field.type == Field.TYPE_MESSAGE and not _is_map(field):
                    self.learn(each)
                elif field.type == Field.TYPE_STRING and each:
                    for name in (field.name, f"{message.DESCRIPTOR.name.lower()}_{field.name}"):
                        self.known[name] = [*self.known.get(name, [])[-20:], each]

    def _fill(self, made, field, depth):
        if _is_map(field):
            key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            for _ in range(self._chance.randrange(3)):
                there = getattr(made, field.name)
                if value.type == Field.TYPE_MESSAGE:
                    there[self._scalar(key)].CopyFrom(self._message(value.message_type, depth + 1))
                else:
                    there[self._scalar(key)] = self._scalar(value)
        elif field.is_repeated:
            for _ in range(self._chance.randrange(4)):
                if field.type == Field.TYPE_MESSAGE:
                    getattr(made, field.name).append(self._message(field.message_type, depth + 1))
                else:
                    getattr(made, field.name).append(self._scalar(field))
        elif field.type == Field.TYPE_MESSAGE:
            getattr(made, field.name).CopyFrom(self._message(field.message_type, depth + 1))
        else:
            setattr(made, field.name, self._scalar(field))

    def _scalar(self, field):
        chance = self._chance
        if field.type == Field.TYPE_STRING:
            return self._text(field.name)
        if field.type == Field.TYPE_BYTES:
            return chance.choice([b"", chance.randbytes(20), b"customers: []", b"{}"])
        if field.type == Field.TYPE_BOOL:
            return chance.random() < 0.5
        if field.type == Field.TYPE_ENUM:
            known = [each.number for each in field.enum_type.values]
            return chance.choice(known if self._is_sound() else [*known, 99])
        if field.cpp_type in (Field.CPPTYPE_DOUBLE, Field.CPPTYPE_FLOAT):
            return chance.choice([0.0, -1.5, 1e300, float("nan"), float("inf")])
        return self._whole(field.cpp_type)

    def _whole(self, kind):
        if self._is_sound():
            return self._chance.choice([0, 1, 5, 100])
        lowest, highest = _WHOLE_BOUNDS[kind]
        return max(lowest, min(self._chance.choice(_WHOLE), highest))

    def _text(self, name):
        if not self._is_sound():
            return self._chance.choice(WORDS)
        name = _ALIKE.get(name, name)
        known = self.known.get(name, [])
        if known and (name not in SOUND or self._chance.random() < 0.3):
            return self._chance.choice(known)
        if name in SOUND:
            return self._chance.choice(SOUND[name])
        return f"{name}-{self._chance.randrange(30)}"


def _is_map(field):
    return bool(field.type == Field.TYPE_MESSAGE and field.message_type.GetOptions().map_entry)


def _is_list(field):
    return field.is_repeated and not _is_map(field)
