from reports.reading.unrecorded import recipe_of, with_recipe

OLD = {"head_init": "zero", "lr": None, "rate": 1.0}
"""Options of a training as they were recorded before recipes had names."""


def test_what_was_trained_before_recipes_had_names_is_read_and_labelled_as_v1():
    assert recipe_of(OLD) == "v1"
    assert with_recipe("finetune", OLD) == "finetune(recipe=v1)"
    assert with_recipe("filter_pruned(flops=0.5)", OLD) == "filter_pruned(recipe=v1, flops=0.5)"


def test_what_names_a_recipe_or_trains_by_none_stays_as_it_is():
    assert with_recipe("finetune", {"recipe": "v3"}) == "finetune"
    assert with_recipe("finetune(recipe=v1)", OLD) == "finetune(recipe=v1)"
    assert with_recipe("ridge", {"penalty": 0.1}) == "ridge"
    assert recipe_of({"penalty": 0.1}) == ""
    assert with_recipe("odd)(", OLD) == "odd)("
