"""Credit grants, consumed by lines.

Rules:
1. A grant is for one customer and one currency, and for all prices or for certain ones.
2. Grants are used by priority (the lower number first), then the earliest expiry (none is last), then promotional
   before paid, then the oldest; grants equal in all of it in the order given. Lines take in the order given.
3. A line takes only from grants that are valid at its instant: effective_at <= at < expires_at.
4. Only a positive line takes, never more than its amount; a grant never gives more than its balance. So neither a
   line nor a balance becomes negative. Whole minor units only.
5. Each consumption is a row: grant, line, amount. The rows of a line add up to what it was credited, those of a
   grant to what it gave.

How: the grants of one account (customer and currency) in order, cut into runs that treat its lines alike (the same
prices, and valid for all of the account's lines); the first run of every account is settled in one pass over all
accounts, then the second, and so on. Within a run, grants and lines are two rulers laid side by side: the ends of
both cut them into the consumptions. One pass is O(m log m) in its lines and grants; there are as many passes as the
account with the most runs has, each only over the lines still owing of accounts that have that many. Without scopes
and with one instant for each account that is a single pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from rating.numbers.decimals import NARROW_MAX, DecimalColumn
from rating.numbers.rounding import Mantissas
from rating.settlement.grants import CreditGrants
from rating.settlement.invoice_lines import NONE, Flags, Ids, InvoiceLines, codes_of
from rating.settlement.scopes import in_scope, scope_pairs


@dataclass(frozen=True, eq=False, kw_only=True)
class CreditResult:
    """m consumptions and their sums; amounts in minor units at scale 0.

    Attributes:
        grant, line: rows of the grants and of the lines, int64[m], ordered by line, then as they were taken.
        amount_minor: m amounts, all positive.
        credited_minor: what each of the n lines was credited.
        left_minor: what each of the n lines comes to after it.
        balance_minor: what is left of each of the K grants.
    """

    grant: Ids
    line: Ids
    amount_minor: DecimalColumn
    credited_minor: DecimalColumn
    left_minor: DecimalColumn
    balance_minor: DecimalColumn


def apply_credits(lines: InvoiceLines, grants: CreditGrants) -> CreditResult:
    """Which line consumes how much of which grant.

    Running sums stay in int64 while all that is owed, and all balances (none counted for more than all that is owed),
    add up to no more than NARROW_MAX; past it they are Python ints.
    """
    zeros = DecimalColumn.zeros(len(lines))
    owed = lines.amount_minor.maximum(zeros).narrowed()
    all_owed = DecimalColumn.of_ints([int(owed.total())]).take(np.zeros(len(grants), dtype=np.int64))
    offered = grants.balance_minor.minimum(all_owed).narrowed()
    if max(owed.total(), offered.total()) > NARROW_MAX:
        owed, offered = owed.widened(), offered.widened()
    owing, balance = owed.mantissa.copy(), offered.mantissa.copy()
    accounts = _Accounts.of(lines, grants, owing, balance)
    taken = [np.zeros((2, 0), dtype=np.int64)]
    amounts = [owing[:0]]
    for line, grant in accounts.passes(lines, grants, owing):
        pairs, amount = _consume(accounts, line, grant, owing, balance)
        taken.append(pairs)
        amounts.append(amount)
    line, grant = np.concatenate(taken, axis=1)
    order = np.argsort(line, kind="stable")
    credited = owed.subtract(DecimalColumn(owing, 0))
    given = offered.subtract(DecimalColumn(balance, 0))
    return CreditResult(
        grant=grant[order],
        line=line[order],
        amount_minor=DecimalColumn(np.concatenate(amounts)[order], 0).narrowed(),
        credited_minor=credited.narrowed(),
        left_minor=lines.amount_minor.subtract(credited).narrowed(),
        balance_minor=grants.balance_minor.subtract(given).narrowed(),
    )


@dataclass(frozen=True, eq=False)
class _Accounts:
    """The accounts that owe something, numbered from 0: their lines, their usable grants, and the runs of these.

    Attributes:
        line, line_account: the lines that owe, by account, then as given.
        grant, grant_account: the usable grants, by run, account and turn; those of run r are at
            runs[r]:runs[r + 1].
        account_runs: the number of runs of each account.
    """

    line: Ids
    line_account: Ids
    grant: Ids
    grant_account: Ids
    runs: Ids
    account_runs: Ids

    @classmethod
    def of(cls, lines: InvoiceLines, grants: CreditGrants, owing: Mantissas, balance: Mantissas) -> Self:
        line_key, grant_key = _account_keys(lines, grants)
        line = np.flatnonzero(owing > 0)
        line = line[np.argsort(line_key[line], kind="stable")]
        key = line_key[line]
        first = _starts(key)
        line_account = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(key)]))
        grant, grant_account = _known(grant_key, key[first], balance)
        at = lines.at_us[line]
        earliest = np.minimum.reduceat(at, first)[grant_account] if len(first) else at
        latest = np.maximum.reduceat(at, first)[grant_account] if len(first) else at
        usable = (grants.effective_us[grant] <= latest) & (grants.expires_us[grant] > earliest)
        partly = (grants.effective_us[grant] > earliest) | (grants.expires_us[grant] <= latest)
        grant, grant_account, partly = grant[usable], grant_account[usable], partly[usable]
        turn = _turns(grants, grant, grant_account)
        grant, grant_account, partly = grant[turn], grant_account[turn], partly[turn]
        run = _runs(grants.scope[grant], grant_account, partly)
        by_run = np.argsort(run, kind="stable")
        account_runs = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(account_runs, grant_account, run + 1)
        bounds = np.searchsorted(run[by_run], np.arange(int(run.max(initial=-1)) + 2))
        return cls(line, line_account, grant[by_run], grant_account[by_run], bounds, account_runs)

    def passes(
        self, lines: InvoiceLines, grants: CreditGrants, owing: Mantissas
    ) -> Iterator[tuple[Ids, Ids]]:
        """For each run in turn, the places (in `line` and `grant`) of the lines it may pay for and of its grants."""
        scoped = scope_pairs(grants.scopes, lines.price_ids)
        place = np.arange(len(self.line))
        for run in range(len(self.runs) - 1):
            more = (self.account_runs[self.line_account[place]] > run) & (owing[self.line[place]] > 0)
            place = place[more]
            own = np.arange(self.runs[run], self.runs[run + 1])
            leader = np.zeros(len(self.account_runs), dtype=np.int64)
            leader[self.grant_account[own]] = self.grant[own]  # any of a run: they treat lines alike
            of = leader[self.line_account[place]]
            row = self.line[place]
            at = lines.at_us[row]
            fits = (grants.effective_us[of] <= at) & (at < grants.expires_us[of])
            fits &= in_scope(scoped, grants.scope[of], lines.price[row], len(lines.price_ids))
            yield place[fits], own


def _consume(
    accounts: _Accounts, line: Ids, grant: Ids, owing: Mantissas, balance: Mantissas
) -> tuple[Ids, Mantissas]:
    """Settles one pass: takes it off `owing` and `balance`, returns the pairs (line, grant) and their amounts.

    Both rulers are first cut off, account by account, at what the shorter one can carry; from then on the ends of
    the accounts coincide, and one running sum serves all of them.
    """
    line_row, grant_row = accounts.line[line], accounts.grant[grant]
    line_account, grant_account = accounts.line_account[line], accounts.grant_account[grant]
    size = len(accounts.account_runs)
    wanted = _sums(owing[line_row], line_account, size)
    offered = _sums(balance[grant_row], grant_account, size)
    moved = np.minimum(wanted, offered)
    from_line = _cut(owing[line_row], line_account, moved)
    from_grant = _cut(balance[grant_row], grant_account, moved)
    owing[line_row] -= from_line
    balance[grant_row] -= from_grant
    line_row, from_line = line_row[from_line > 0], from_line[from_line > 0]
    grant_row, from_grant = grant_row[from_grant > 0], from_grant[from_grant > 0]
    line_ends, grant_ends = np.cumsum(from_line), np.cumsum(from_grant)
    ends = np.sort(np.concatenate([line_ends, grant_ends]))
    ends = ends[_starts(ends)]
    pairs = np.stack(
        [line_row[np.searchsorted(line_ends, ends)], grant_row[np.searchsorted(grant_ends, ends)]]
    )
    return pairs, np.diff(ends, prepend=0)


def _sums(values: Mantissas, account: Ids, size: int) -> Mantissas:
    """Sums by account; the caller has proven that they fit."""
    sums = np.zeros(size, dtype=values.dtype)
    np.add.at(sums, account, values)
    return sums


def _cut(values: Mantissas, account: Ids, limit: Mantissas) -> Mantissas:
    """The values, account by account, as far as their running sum stays within the account's limit."""
    first = _starts(account)
    before = np.cumsum(values) - values
    before -= np.repeat(before[first], np.diff(np.r_[first, len(values)]))
    cut: Mantissas = np.minimum(np.maximum(limit[account] - before, 0), values)
    return cut


def _starts(ordered: Mantissas) -> Ids:
    """Where each stretch of equal values begins."""
    if not len(ordered):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _account_keys(lines: InvoiceLines, grants: CreditGrants) -> tuple[Ids, Ids]:
    """The account of each line and of each grant as a key; -1 for a grant in a currency that no line has."""
    currencies = len(lines.currencies)
    codes = codes_of(lines.currencies)
    known = np.array([codes.get(code, NONE) for code in grants.currencies], dtype=np.int64)[grants.currency]
    own = np.where(known == NONE, NONE, grants.customer * currencies + known)
    return lines.customer * currencies + lines.currency, own


def _known(key: Ids, accounts: Ids, balance: Mantissas) -> tuple[Ids, Ids]:
    """The grants with a balance whose account owes something, and the numbers of their accounts."""
    if not len(accounts):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    number = np.minimum(np.searchsorted(accounts, key), len(accounts) - 1)
    grant = np.flatnonzero((accounts[number] == key) & (balance > 0))
    return grant, number[grant]


def _turns(grants: CreditGrants, grant: Ids, account: Ids) -> Ids:
    """The order of rule 2 within each account."""
    keys = (
        grants.created_us[grant],
        ~grants.promotional[grant],
        grants.expires_us[grant],
        grants.priority[grant],
        account,
    )
    return np.lexsort(keys)


def _runs(scope: Ids, account: Ids, partly: Flags) -> Ids:
    """The number, within its account, of the run that each grant belongs to."""
    if not len(scope):
        return np.zeros(0, dtype=np.int64)
    same_account = account[1:] == account[:-1]
    joins = same_account & (scope[1:] == scope[:-1]) & ~partly[1:] & ~partly[:-1]
    run = np.cumsum(np.r_[False, ~joins])
    first = _starts(account)
    number: Ids = run - np.repeat(run[first], np.diff(np.r_[first, len(run)]))
    return number
