"""docs/no-cap.md says what the verifier holds to, and nothing in it goes without a planted violation."""

from __future__ import annotations

from docs.no_cap_table import PAGE, ids, page
from pbx.no_cap import CHAPTERS, RULES, Layer
from tests.asterisk import no_cap_code_seeds as ours
from tests.asterisk import no_cap_seeds as planted
from tests.asterisk import test_verifier_running as running
from tests.asterisk.dialplan_seeds import DIALPLAN_SEEDS
from tests.integration.store import test_store_ends as ends


def test_the_page_is_current() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "run: python -m docs.no_cap_table"


def test_every_row_of_the_page_has_a_planted_violation() -> None:
    static = {seed.rule for seed in [*planted.SEEDS, *DIALPLAN_SEEDS]} | {seed.rule for seed in planted.CODE_SEEDS}
    static |= {seed.rule for seed in ours.CODE_SEEDS} | {"container", "service-unit"}
    assert planted.COMPOSE_SEEDS
    assert ours.UNIT_SEEDS
    by_layer = {
        Layer.STATIC: static,
        Layer.LOADED: {deed.rule for deed in running.SEEDS} | running.OTHERS,
        Layer.OUTCOME: set(ends.SEEDS) | ends.OTHERS,
    }
    for layer, seeded in by_layer.items():
        assert seeded == {rule.id for rule in RULES.values() if rule.layer is layer}
    assert set(ids(PAGE.read_text())) == set().union(*by_layer.values())


def test_every_rule_has_one_name_and_says_why_it_matters() -> None:
    every = [rule for rules in CHAPTERS.values() for rule in rules]
    assert len({rule.id for rule in every}) == len(every)
    assert all(all(part.strip() for part in rule[:6]) for rule in every)
