"""What tables call tasks, and which of some names is meant by a short one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mac.errors import MacError


def short_task(task: str) -> str:
    """A task's number, or its whole name if it has none."""
    found = re.search(r"-task(\d+)\b", task)
    return f"task {found.group(1)}" if found else task


def meant(given: str, known: Mapping[str, Sequence[str]], what: str) -> str:
    """The one name that ``given`` means: one of its forms, or else a part of one.

    Args:
        given: as typed; capitals do not count.
        known: forms of each name, the name itself among them; the first is shown.
        what: what is named, for messages.

    Raises:
        MacError: if none is meant, or several are.
    """
    typed = given.casefold()
    forms = {name: [form.casefold() for form in own] for name, own in known.items()}
    found = [name for name, own in forms.items() if typed in own]
    found = found or [name for name, own in forms.items() if any(typed in form for form in own)]
    if len(found) != 1:
        raise MacError(
            f"several {what}s of this name" if found else f"no such {what}",
            key=given,
            expected="; ".join(known[name][0] for name in found or known),
        )
    return found[0]
