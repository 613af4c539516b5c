"""What one setting is for people, and kinds of settings that come several times."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a setting is for people.

    help: one or two sentences. metavar: what stands for its value in the help. unit: of a number. reason: why the
    default is what it is. secret: its value may hold a password. must_exist: it names
    what a start needs to be there. variable: its environment variable, if it is not
    METERLINE_ and its name.
    """

    help: str
    metavar: str = ""
    unit: str = ""
    reason: str = ""
    secret: bool = False
    must_exist: bool = False
    variable: str = ""


def of_tokens(text: str, metavar: str = "NAME") -> Setting:
    return Setting(help=f"Of tokens: {text}.", metavar=metavar)


def pem(variable: str, text: str) -> Setting:
    # METERLINE_TLS_CERT and METERLINE_TLS_KEY are what a client of this machine shows: an engine that took them for its
    # own would serve with a client's certificate.
    return Setting(help=text, metavar="FILE", must_exist=True, variable=f"METERLINE_SERVER_{variable}")


def tenant_limit(what: str, unit: str) -> Setting:
    return Setting(
        help=f"{what} of every tenant that has no such limit of its own (meterline tenants limits). Default: any number.",
        metavar="NUMBER",
        unit=unit,
        reason="An engine with one tenant needs none.",
    )
