"""Steps taken by the engine and by the model; whatever either says after a step, the other must say too."""

from collections import Counter, defaultdict
from decimal import Decimal
from functools import cache

from engine.errors import CorrectionRefusedError, NotFoundError
from engine.times import datetime_us
from engine.usage.corrections.correction import Correction, Signature
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import EventKey, Kind
from ingest import Verdict
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.id_life_engine import BOUNDS_US, NOVEMBER_US, TENANT, WHAT, Engine
from tests.support.usage.id_life_model import Ids, RefusedError
from tests.support.usage.id_life_steps import Again, Deliver, Upkeep
from tests.support.usage.id_life_told import shown

# Of the watermarks, those that are asked about again.
REMEMBERED = 0.25
_TOLD_MAX = 3


class DisagreementError(Exception):
    """Engine and model differ about these ids."""

    def __init__(self, ids, text):
        super().__init__(text)
        self.ids = sorted(set(ids))


class Play:
    """One world, step by step. `seen`: every answer that was given."""

    def __init__(self, path, contents, random):
        self.engine, self.model, self._random = Engine(path, contents.types, contents.times_us), Ids(), random
        self.seen, self._sent = [], {}
        # Up to which stamp arrivals were looked at for sure, and perhaps.
        self._looked_at_us = (0, 0)
        self._last = self.engine.answers()
        self.refusals = Counter()

    def close(self):
        self.engine.close()

    def take(self, step):
        """Raises DisagreementError; also for anything that the engine should not have raised."""
        try:
            match step:
                case Deliver():
                    self._deliver(step)
                case Upkeep():
                    self._keep_up(step)
                case Again():
                    self._again(step)
                case _:
                    self._correct(step)
            self._look_back()
        except DisagreementError:
            raise
        except Exception as error:  # whatever it is, the steps that lead there are wanted
            raise DisagreementError(step.ids(), f"{type(error).__name__}: {error}") from error

    def finish(self):
        """Everything again, usage from rollups, which were made as it came."""
        self.engine.roll_up()
        for old in self.seen:
            self._same(old, self.engine.answers(old.as_of_us, WHAT[1:]))
            rolled = self.engine.rolled_usage(old.as_of_us)
            if rolled != old.usage:
                raise DisagreementError(
                    _ids_of(rolled, old.usage),
                    f"rollups at {old.as_of_us}: {_some(_differences(rolled, old.usage))}",
                )

    def _deliver(self, step):
        if step.gateway is None:
            stamp_us, verdicts = self.engine.deliver(step.events), None
        else:
            stamp_us, verdicts = self.engine.send(step.gateway, step.events)
        for (event_id, version), verdict in zip(
            step.events, verdicts or [Verdict.ACCEPTED] * len(step.events), strict=True
        ):
            known = {each for _, each in self.model.arrivals[event_id]} | self._ever_made(event_id)
            if verdict is Verdict.ACCEPTED:
                self.model.arrive(stamp_us, event_id, version)
            elif not (known & {version} if verdict is Verdict.DUPLICATE else known - {version}):
                raise DisagreementError([event_id], f"{event_id} {shown(version)}: {verdict.name}")
        self._look()

    def _keep_up(self, step):
        gateway = self.engine.gateways[step.gateway]
        match step.what:
            case "all":
                while gateway.reconciler.next_pass().events:
                    pass
                self._looked_at()
            case "some":
                some = Reconciler(
                    self.engine.store, self.engine.clock, self.engine.now_us, step.events_at_once
                )
                until_us = some.next_pass().until_us
                # It may look beyond what it has to.
                self._looked_at_us = (max(self._looked_at_us[0], until_us), self.engine.as_of_us())
            case "exactly":
                gateway.reconciler.reconcile(TENANT, 0, 2 * NOVEMBER_US)
                self._looked_at()
            case "restart":
                self.engine.restart()
            # These change nothing that is looked at, and the next look would see it.
            case "hear":
                gateway.listener.listen()
                return
            case "roll up":
                self.engine.roll_up()
                return
        self._look()

    def _again(self, step):
        correction, signature = self._sent[step.name]
        answer = self.engine.gateways[step.gateway].corrections.record(TENANT, correction, signature)
        # Whether it settled ids to say so is its own affair.
        self._looked_at_us = (self._looked_at_us[0], self.engine.as_of_us())
        found = self.engine.corrections(self.engine.as_of_us())
        if answer not in found:
            raise DisagreementError(
                step.about, f"{step.name} was answered with {answer}, is listed in {found}"
            )

    def _correct(self, step):
        change = step.change.amendment() if step.change else None
        correction = Correction(Kind(step.kind), step.chosen(self.model), change)
        sent = correction, Signature(step.name, "ada", "a reason")
        corrections = self.engine.gateways[step.gateway].corrections
        settled = self._is_settled()
        plan, refusal = _unless_refused(lambda: corrections.plan(TENANT, *sent))
        self._looked_at()
        # What is settled is as it was at the last look.
        before = self._last if settled else self._look(plan and plan.as_of_us)
        self._refused_alike(step, refusal)
        if plan is None:
            recorded, refusal = _unless_refused(lambda: corrections.record(TENANT, *sent))
            if recorded:
                raise DisagreementError(step.ids(), "recorded after its dry run was refused")
            self.refusals[step.kind] += 1
            return
        usage, effect = self.engine.tried(plan, step.gateway)
        recorded = corrections.record(TENANT, *sent)
        step.in_model(self.model, recorded.recorded_at_us)
        self._sent[step.name] = sent
        self._looked_at()
        after = self._look()
        if usage != after.usage:
            raise DisagreementError(
                _ids_of(usage, after.usage),
                f"tried and done differ: {_some(_differences(usage, after.usage))}",
            )
        self._effect_came_true(step, effect, before.lines, after.lines)
        counts = {plan.event_count, recorded.event_count}
        # An undo may count what it changes besides.
        if step.kind != "undo":
            counts.add(sum(map(len, self.model.corrections[-1].taken.values())))
        if len(counts) > 1:
            raise DisagreementError(step.ids(), f"events tried, corrected, and in the model: {counts}")

    def _refused_alike(self, step, refusal):
        try:
            step.in_model(self.model, self.engine.clock.stamp_us + 1)
        except RefusedError:
            if refusal is None:
                raise DisagreementError(step.ids(), "the engine does it, the model refuses") from None
            return
        self.model.corrections.pop()
        if refusal is not None:
            raise DisagreementError(step.ids(), f"the model does it, the engine refuses: {refusal}")

    def _effect_came_true(self, step, effect, before, after):
        said = {change.line.line_item_id: (change.before, change.after) for change in effect.changes}
        done = {each: (before[each], after[each]) for each in before if before[each] != after[each]}
        if said != done or before.keys() != after.keys():
            raise DisagreementError(step.ids(), f"lines were to change so: {said}, and did so: {done}")
        if effect.unrateable or effect.periods_left_out:
            raise DisagreementError(step.ids(), f"{effect}")
        totals = [sum(line.rated.amount for line in lines.values()) for lines in (before, after)]
        ((first, last),) = effect.totals.values()
        if last - first != totals[1] - totals[0]:
            raise DisagreementError(step.ids(), f"totals were to go {first} -> {last}, went {totals}")

    def _is_settled(self):
        low_us = self._looked_at_us[0]
        return all(at <= low_us for arrivals in self.model.arrivals.values() for at, _ in arrivals)

    def _looked_at(self):
        self._looked_at_us = (self.engine.as_of_us(),) * 2

    def _look(self, as_of_us=None):
        """What the engine says now, which the model must say too."""
        answers = self.engine.answers(as_of_us)
        self._agree(answers)
        self._last = answers
        if self._random.random() < REMEMBERED:
            self.seen.append(answers)
        return answers

    def _agree(self, answers):
        counted, lost = defaultdict(Counter), defaultdict(list)
        for event_type, group in answers.usage:
            version = _version_of(event_type, group)
            counted[dict(version[3])["id"]][version] += group.event_count
        for each in answers.conflicts:
            lost[each.voided.key.event_id].append((each.voided.key, each.stands.key, each.void))
        wrong = {}
        for event_id in {*self.model.arrivals, *counted, *lost}:
            counts, conflicts = counted[event_id], sorted(lost[event_id], key=repr)
            may_count, may_conflict = self._expected(event_id)
            if counts not in may_count or conflicts not in may_conflict:
                wrong[event_id] = (
                    f"{event_id}: the engine says {_told(counts, conflicts)}\n"
                    f"    the model {_told(may_count[0], may_conflict[0])}"
                )
        if wrong:
            told = [wrong[event_id] for event_id in sorted(wrong)[:_TOLD_MAX]]
            raise DisagreementError(wrong, "\n".join(told))
        self._lines_agree(answers, counted)
        listed = [
            (each.correction_id, str(each.kind), each.undoes, each.undone_by, each.in_effect)
            for each in answers.corrections
        ]
        if listed != (expected := self._listed()):
            names = {each[0] for each in {*listed} ^ {*expected}}
            about = [i for each in self.model.corrections if each.name in names for i in each.taken]
            raise DisagreementError(about, f"corrections are listed as {listed}, not {expected}")

    def _expected(self, event_id):
        """What may count, and what may be in conflict: late arrivals may have been looked at or not."""
        low_us, high_us = self._looked_at_us
        arrivals = self.model.arrivals[event_id]
        cuts = sorted({low_us, high_us, *(at for at, _ in arrivals if low_us < at <= high_us)})
        counting = [Counter(version for _, version in self.model.life(event_id, at).counting) for at in cuts]
        conflicts = [
            sorted(
                (
                    (_key(event_id, version), _key(event_id, to), void)
                    for version, to, void in self.model.conflicts(event_id, at)
                ),
                key=repr,
            )
            for at in cuts
        ]
        return counting, conflicts

    def _ever_made(self, event_id):
        return {
            became
            for each in self.model.corrections
            for _, became in each.taken.get(event_id, ())
            if each.kind == "amend"
        }

    def _lines_agree(self, answers, counted):
        sums, counts = Counter(), Counter()
        for versions in counted.values():
            for (customer_id, event_type, time_us, properties), times in versions.items():
                if event_type == "call":
                    key = customer_id, time_us >= NOVEMBER_US
                    sums[key] += times * int(dict(properties)["value"])
                    counts[key] += times
        for line in answers.lines.values():
            charge = line.charge
            key = charge.subscription.customer, datetime_us(charge.period.start) >= NOVEMBER_US
            quantity, price = (
                (sums[key], Decimal(1))
                if charge.billed.price.id == "value"
                else (counts[key], Decimal("0.25"))
            )
            told = (line.rated.quantity, line.rated.amount, line.event_count)
            if told != (quantity, quantity * price, counts[key]):
                raise DisagreementError(
                    counted, f"line {key} {charge.billed.price.id}: {told}, not {quantity} at {price}"
                )

    def _listed(self):
        """The newest first. What is undone names the undo in effect; what is in effect again, the last that undid it."""
        effective = {each.name for each in self.model.in_effect()}
        undos = [each for each in self.model.corrections if each.undoes]
        undone_by = {each.undoes: each.name for each in undos}
        undone_by |= {each.undoes: each.name for each in undos if each.name in effective}
        return [
            (each.name, each.kind, each.undoes, undone_by.get(each.name, ""), each.name in effective)
            for each in reversed(self.model.corrections)
        ]

    def _look_back(self):
        """One earlier answer, of one kind."""
        if not self.seen:
            return
        old = self._random.choice(self.seen)
        what = self._random.choice(WHAT)
        self._same(old, self.engine.answers(old.as_of_us, (what,)))

    def _same(self, old, new):
        for what in WHAT:
            was, now = getattr(old, what), getattr(new, what)
            if now is not None and was != now:
                ids = _ids_of(was, now) if what == "usage" else self.model.arrivals
                raise DisagreementError(
                    ids, f"{what} at {old.as_of_us} changed: {_some(_differences(was, now))}"
                )


def _unless_refused(act):
    try:
        return act(), None
    except (CorrectionRefusedError, NotFoundError) as refusal:
        return None, refusal


def _version_of(event_type, group):
    event_id, value = group.dimensions
    properties = (("id", event_id), ("value", value))
    return group.customer_id, event_type, BOUNDS_US[group.window], properties


@cache
def _key(event_id, version):
    customer_id, event_type, time_us, properties = version
    return EventKey(TENANT, customer_id, event_type, time_us, event_id, content_hash(properties))


def _ids_of(usage, other):
    return {group.dimensions[0] for _, group in _differences(usage, other)}


def _differences(some, others):
    """What is in one of two lists (or dicts) only."""
    some, others = (each.values() if isinstance(each, dict) else each for each in (some, others))
    return [each for each in some if each not in others] + [each for each in others if each not in some]


def _some(differences):
    more = f" and {len(differences) - _TOLD_MAX} more" if len(differences) > _TOLD_MAX else ""
    return ", ".join(map(str, differences[:_TOLD_MAX])) + more


def _told(counting, conflicts):
    lost = [
        f"{_shown_key(lost)} lost to {_shown_key(to)}, {'void' if void else 'counts'}"
        for lost, to, void in conflicts
    ]
    counts = [f"{times} times {shown(version)}" for version, times in counting.items()]
    return f"{'; '.join(counts) or 'nothing'} counts; {'; '.join(lost) or 'nothing'} in conflict"


def _shown_key(key):
    return f"{key.customer_id} {key.event_type} T{BOUNDS_US.index(key.event_time_us)} hash {key.content_hash:08x}"
