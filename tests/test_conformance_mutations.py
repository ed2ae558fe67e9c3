"""The kit catches what goes wrong: each broken component fails the property that names its fault.

A row of a table is a component of `mutants/broken_<kind>s.py`, the property that must fail, and what it must say.
"""

import re
from pathlib import Path

import pytest
from pegboard.plugins.registry import Registry
from pegboard.testing import check_component, tokenizers

MUTANTS = Path(__file__).parent / "mutants"

TOKENIZERS = {
    "cuts-one-too-late": ("truncation_is_exact", "max_length=8 gave 9 ids"),
    "cuts-one-too-early": ("truncation_is_exact", "max_length=8 gave 7 ids"),
    "cuts-what-fits": ("truncation_is_exact", "gave 7 ids|was changed by max_length"),
    "keeps-the-end": ("truncation_is_exact", "not the text's beginning"),
    "keeps-the-beginning": ("long_texts_are_cut_as_asked", "long_texts=tail gave"),
    "windows-too-soon": ("long_texts_are_cut_as_asked", "long_texts=windows gave"),
    "forgets-its-frame": ("long_texts_are_cut_as_asked", "long_texts=.* gave|an empty text has 2 ids"),
    "cuts-the-separator": ("special_tokens_frame_every_text", "not framed by 2 and 3"),
    "shifts-after-reload": ("save_and_load_are_equal", "ids differ after a reload"),
    "sorts-on-reload": ("save_and_load_are_equal", "ids differ after a reload"),
    "forgets-its-length": ("save_and_load_are_equal", "max_length differs after a reload"),
    "pads-for-unknown": ("padding_and_mask_are_exact", r"\[PAD\] inside a text"),
    "starts-at-zero": ("padding_and_mask_are_exact", r"\[PAD\] inside a text"),
    "loses-a-known-piece": ("unknown_only_for_the_unknown", r"\[UNK\] in a training text"),
    "unknown-for-the-rare": ("unknown_only_for_the_unknown", r"\[UNK\] in a training text"),
    "drops-the-unknown": ("unknown_text_does_not_vanish", "has no ids"),
    "one-id-for-all": ("different_texts_differ", "36 texts, 1 different rows"),
    "loses-the-order": ("order_is_kept", "do not give the rows in reverse"),
    "leaks-into-the-next-text": ("repeated_texts_are_equal", "twice in a batch"),
    "learns-while-encoding": ("encoding_learns_nothing", "the vocabulary grew from"),
    "depends-on-its-batch": ("batch_equals_single", "alone and in a batch differ"),
    "order-from-a-set": ("works_in_a_fresh_process", "other bytes"),
    "order-by-chance": ("training_twice_gives_the_same_bytes", "the saved files differ"),
    "saves-the-time": ("same_seed_gives_the_same_bytes", "two runs with the same seed differ"),
    "specials-on-top": ("vocabulary_size_is_honoured", "205 entries, 200 were asked for"),
    "size-without-specials": ("ids_lie_within_the_vocabulary", "ids 5 to"),
    "takes-none": ("missing_texts_are_refused", "None was accepted"),
    "replaces-surrogates": ("lone_surrogates_are_refused", "a lone surrogate was accepted"),
    "fails-on-nul": ("every_plane_of_unicode_works", "embedded null"),
    "drops-empty-texts": ("empty_and_blank_texts_work", "gave 3 rows"),
    "wide-ids": ("ids_are_ragged_int32", "int64"),
    "pickles": ("saves_data_only", "cache.txt is a pickle"),
    "shares-a-buffer": ("threads_do_not_disturb_each_other", "a thread got other ids|list index"),
    "keeps-a-thread-pool": ("it_survives_a_fork", "a forked process hangs"),
    "lowers-always": ("decode_gives_the_text_back", "decode gives 'tokenizing"),
    "folds-accents": ("decode_gives_the_text_back", "naive cafe"),
    "decodes-the-next": ("decode_gives_the_words_back", "decode changed the letters"),
    "shows-pieces-not-tokens": ("tokens_match_ids", "the id 1 is"),
    "lax": ("options_of_a_wrong_type_are_refused", "'vocab_size' makes 8000 of '8000'"),
}
ENCODERS = {
    "mean-over-padding": ("padding_changes_nothing", "pooled changes by"),
    "divides-by-time": ("padding_changes_nothing", "pooled changes by"),
    "max-over-padding": ("padding_changes_nothing", "pooled changes by"),
    "max-over-zeros": ("padding_changes_nothing", "pooled changes by"),
    "last-of-the-batch": ("padding_changes_nothing", "pooled changes by"),
    "reads-padding-backwards": ("padding_changes_nothing", "pooled changes by"),
    "leaks-into-states": ("padding_changes_nothing", "the states of real positions change"),
    "attends-to-padding": ("neighbours_change_nothing", "alone it differs by"),
    "normalizes-the-batch": ("neighbours_change_nothing", "alone it differs by"),
    "sorts-by-length": ("neighbours_change_nothing", "alone it differs by"),
    "trusts-the-padding-id": ("padding_ids_are_not_read", "other ids under padding change pooled"),
    "mask-inverted": ("every_token_counts", "token 1 of 6 does not count"),
    "ignores-the-first": ("every_token_counts", "token 1 of 6 does not count"),
    "ignores-the-middle": ("every_token_counts", "token 2 of 6 does not count"),
    "ignores-the-last": ("every_token_counts", "token 6 of 6 does not count"),
    "unused-parameter": ("gradient_reaches_every_parameter", "output.weight gets no gradient"),
    "dead-parameter": ("gradient_reaches_every_parameter", "the gradient is zero for score.weight"),
    "detached-pooled": ("pooled_trains_the_embedding", "carries no gradient"),
    "drops-out-always": ("evaluation_is_deterministic", "two calls differ"),
    "wrong-hidden-size": ("shapes", r"pooled has the shape \(1, 24\)"),
    "squeezes-a-batch-of-one": ("shapes", r"pooled has the shape \(12,\)"),
    "wide-states": ("shapes", "states are torch.float64"),
    "constant-is-no-buffer": ("it_moves_between_devices", "scale would stay behind"),
    "makes-floats": ("it_moves_between_devices", "in float64 the pooled vector is torch.float32"),
    "buffer-is-not-saved": ("weights_survive_safetensors", "outputs differ"),
    "own-seed": ("different_seeds_give_different_weights", "the seed changes nothing"),
    "unseeded": ("same_seed_gives_the_same_bytes", "two runs with the same seed differ"),
    "embedding-too-small": ("every_id_is_accepted", "ids 0, 1 and 49 of 50: index out of range"),
    "one-position-too-few": ("length_one_and_the_maximum_work", "index out of range"),
    "stops-halfway": ("lengths_up_to_the_maximum_work", "the second half of 40 tokens does not count"),
    "divides-by-zero": ("a_row_without_tokens_is_finite", "values that are not finite"),
    "changes-ids": ("input_is_left_alone", "ids were changed"),
    "subtracts-the-mask": ("mask_may_be_bool", "bool"),
    "scatters-into-floats": ("autocast_stays_finite", "dtypes"),
}
DATASETS = {
    "order-from-a-set": ("works_in_a_fresh_process", "other bytes"),
    "names-of-each-split": ("splits_share_their_labels", "the splits disagree on the labels"),
    "shuffles-unseeded": ("order_is_deterministic", "the order of train changes"),
    "once-only": ("order_is_deterministic", "train has other rows at another load"),
    "labels-by-chance": ("labels_are_stable", "train has the labels"),
    "blank-text": ("text_is_text", "train has a blank or missing text"),
    "missing-text": ("text_is_text", "test has a blank or missing text"),
    "numbers-for-text": ("text_is_text", "int64"),
    "no-text-column": ("text_is_text", "train has no column text"),
    "secret-labels": ("labels_are_named", "train: unnamed label"),
    "text-labels": ("labels_are_named", "train: label is"),
    "list-with-a-label-twice": ("labels_are_named", "train: a list has a label twice"),
    "list-with-an-unnamed-label": ("labels_are_named", "train: unnamed label"),
    "lists-in-test-only": ("splits_share_their_labels", "some splits have lists of labels"),
    "other-split-names": ("it_gives_splits", "train, dev, test"),
    "no-dict": ("it_gives_splits", r"load\(\) gave a Dataset"),
    "empty-split": ("splits_have_rows", "a split has no rows"),
    "label-not-in-train": ("every_label_can_be_learned", "has a label that train lacks"),
    "one-label": ("every_label_can_be_learned", "train has one label only"),
    "shares-its-cache": ("loads_do_not_share_state", "changed the next load"),
    "own-label-text": ("label_text_on_request", "'label_text' already"),
    "relative-path": ("other_folders_do_not_matter", "broken_rows.tsv: there is no such file"),
    "fixed-at-start": ("other_folders_do_not_matter", "from another folder it gives something else"),
    "raw-file-not-found": ("missing_files_are_named", "FileNotFoundError instead of PegboardError"),
    "nameless-error": ("missing_files_are_named", "does not name the file"),
    "rows-without-file": ("missing_files_are_named", "a missing file was accepted"),
    "asks-the-network": ("works_offline_once_loaded", "the network is unreachable"),
    "fewer-offline": ("works_offline_once_loaded", "offline it gives something else"),
    "caches-anew": ("its_cache_is_used_again", "pegboard-mutant-.* and then in .*pegboard-mutant-"),
    "wide-shares": ("it_refuses_shares_that_leave_no_train", "test_share=0.9 was accepted"),
    "odd-default": ("defaults_are_valid", "rows_of_a_label"),
    "lax": ("options_of_a_wrong_type_are_refused", "makes"),
}
TRAINERS = {
    "trains-on-validation": ("validation_is_not_trained_on", "validation rows went through backward"),
    "drops-the-last-batch": ("every_row_is_used", "rows were used"),
    "draws-with-replacement": ("every_row_is_used", "rows were used 0 to"),
    "does-not-shuffle": ("rows_are_shuffled", "two epochs have the same order"),
    "shuffles-once": ("rows_are_shuffled", "two epochs have the same order"),
    "ignores-the-seed": ("the_seed_decides", "the run's seed changes nothing"),
    "seeds-by-time": ("same_seed_gives_the_same_bytes", "two runs with the same seed differ"),
    "minimizes-the-sum": ("loss_weights_count", "depends on the scale of sum and weight"),
    "keeps-gradients": ("each_step_has_its_own_gradient", "points elsewhere"),
    "forgets-to-step": ("loss_falls", "the loss went from"),
    "mixes-up-labels": ("it_generalizes", "validation accuracy is"),
    "knows-of-classes": ("the_task_decides_what_is_minimized", "with several labels a row"),
    "stays-in-evaluation": ("modes_are_right", "learns in evaluation mode"),
    "validates-with-dropout": ("modes_are_right", "validates in training mode"),
    "forgets-to-report": ("epochs_are_reported", r"it reported the epochs \[1, 2, 3\]"),
    "counts-from-zero": ("epochs_are_reported", r"it reported the epochs \[0, 1, 2, 3\]"),
    "one-epoch-more": ("epochs_is_honoured", "2 epochs of 96 rows used 288"),
    "ignores-max-steps": ("max_steps_is_honoured", "max_steps=5 gave 24 steps"),
    "one-step-more": ("max_steps_is_honoured", "max_steps=5 gave"),
    "tells-no-seconds": ("figures_are_given", "it gives no seconds"),
    "swallows-interrupts": ("interrupt_stops_it", "SIGINT did not end it"),
    "stops-at-the-end-only": ("interrupt_stops_it", "batches after SIGINT"),
    "restarts-in-secret": ("resumed_equals_uninterrupted", "started from the beginning"),
    "forgets-the-moments": ("resumed_equals_uninterrupted", "the weights differ"),
    "repeats-an-epoch": ("resumed_equals_uninterrupted", "the weights differ|started from the beginning"),
    "keeps-nothing": ("interrupt_leaves_a_checkpoint", "there is no checkpoint"),
    "pickles-its-state": ("interrupt_leaves_a_checkpoint", "optimizer.safetensors is a zip archive"),
    "trains-a-copy": ("the_model_is_trained_in_place", "the weights did not change"),
    "renames-parameters": ("the_model_is_trained_in_place", "the names of the parameters changed"),
    "decays-the-frozen": ("frozen_parameters_stay", "a frozen parameter changed"),
    "skips-what-is-no-number": ("a_loss_that_is_no_number_stops_it", "finished with a loss that is not a number"),
    "leaves-a-handler": ("the_callers_state_is_left_alone", "the SIGINT handler was"),
    "leaves-gradients-off": ("the_callers_state_is_left_alone", "the gradient mode was True and is False"),
    "leaves-threads": ("the_callers_state_is_left_alone", "the threads was"),
}
TABLES = {"tokenizer": TOKENIZERS, "encoder": ENCODERS, "dataset": DATASETS, "trainer": TRAINERS}
KINDS = sorted(TABLES)


def file_of(kind):
    return str(MUTANTS / f"broken_{kind}s.py")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """A data set may lie in the working folder; a process that hangs is not waited for as long as on a busy server."""
    monkeypatch.chdir(MUTANTS)
    monkeypatch.setattr(tokenizers, "FORK_SECONDS", 4.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.parametrize(
    ("kind", "name", "property_name", "problem"),
    [pytest.param(kind, name, *row, id=f"{kind}-{name}") for kind in KINDS for name, row in TABLES[kind].items()],
)
def test_a_mutant_is_caught_by_the_property_that_names_its_fault(kind, name, property_name, problem):
    [verdict] = check_component(kind, name, plugins=[file_of(kind)], properties=[property_name])
    assert verdict.outcome == "fail"
    assert re.search(problem, verdict.problem), verdict.problem


@pytest.mark.parametrize("kind", KINDS)
def test_the_correct_one_has_every_property(kind):
    verdicts = list(check_component(kind, "correct", plugins=[file_of(kind)]))
    assert [f"{v.property}: {v.problem}" for v in verdicts if v.outcome == "fail"] == []
    assert {v.property for v in verdicts if v.outcome == "not applicable"} == {"import_is_light"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_mutant_is_left_out(kind):
    registered = {c.name for c in Registry([file_of(kind)]).of_kind(kind) if c.source == file_of(kind)}
    assert registered == {"correct", *TABLES[kind]}
