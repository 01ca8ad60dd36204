"""docs/settings.md lists every setting as the code has it."""

from ekiben.settings import PREFIX, Settings
from tests.servers import PROJECT

PAGE = (PROJECT / "docs" / "settings.md").read_text()


def rows() -> list[str]:
    """Return the table's rows, made from the settings themselves."""
    made = []
    for name, field in Settings.model_fields.items():
        variable = "BENTOML_HOME" if name == "home" else PREFIX + name.upper()
        default = "`~/bentoml`" if name == "home" else shown(field.default)
        made.append(f"| `{variable}` | {default} | {field.description} |")
    return made


def shown(default: object) -> str:
    if default in (None, ()):
        return ""
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_page_has_a_row_for_every_setting_and_no_other() -> None:
    table = [line for line in PAGE.splitlines() if line.startswith("| `")]

    assert table == rows()
