"""Every criterion of reliability and security that the project states, and what proves it.

A test proves a criterion when its name carries the id, such as `test_c35_...`; `also` names
tests that were there before or that prove several. A criterion without a test needs a
`reason`; one that has both is proved in part, and the reason says what is left.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One thing that must hold; `fast`: in every test run; `teeth`: proved by removing it."""

    number: int
    title: str
    fast: bool = False
    teeth: bool = False
    also: tuple[str, ...] = ()
    reason: str = ""
    reason_no_teeth: str = ""

    @property
    def id(self) -> str:
        """The id as it is written: C-07."""
        return f"C-{self.number:02}"


def c(number: int, marks: str, title: str, *also: str, **more: str) -> Criterion:
    """Write one line of the list; *marks* are F and ★, as the table shows them."""
    return Criterion(number, title, "F" in marks, "★" in marks, also, **more)


SECTIONS: dict[str, tuple[Criterion, ...]] = {
    "Input": (
        c(1, "F★", "A body that is no JSON is 400 everywhere"),
        c(2, "F★", "Deep nesting is 400 and costs no memory"),
        c(3, "F★", "Numbers are finite, in requests and in answers"),
        c(4, "F★", "Unknown, missing and repeated fields are refused by name"),
        c(5, "F", "No value is coerced to another JSON type"),
        c(6, "F", "Odd texts and categories are refused or answered, and forge no log line"),
        c(7, "F", "Features go by name; shapes that do not fit are refused"),
        c(8, "F★", "No rows, the most rows, one more, a million"),
        c(9, "F", "One bad row refuses the request before the model sees it"),
        c(10, "F★", "Bodies are counted, never believed; nothing encoded is unpacked"),
        c(11, "F★", "Only JSON is parsed, and nothing is unpickled"),
        c(12, "F", "Methods and paths that do not exist are 405 and 404"),
        c(13, "F", "What is no sound HTTP is refused, and the next connection served"),
        c(14, "", "Schema-driven fuzz: server and document agree"),
        c(15, "", "Stateful fuzz: answers, listing and ledger agree through every move"),
        c(16, "F★", "An exception of ours is an opaque 500, its trace in the log only"),
        c(17, "F", "A URL in a value is a text; the server calls nobody"),
    ),
    "Batching": (
        c(20, "★", "A request that breaks the model fails alone", "tests/unit/serving/test_dispatcher.py::test_only_the_request_that_makes_the_model_raise_fails"),
        c(21, "★", "A model that answers wrong numbers of rows harms no neighbour", "tests/unit/serving/test_dispatcher.py::test_a_wrong_number_of_answers_reaches_nobody"),
        c(22, "★", "No request sees another's id or headers"),
        c(23, "", "Overload is refused quickly, and passes"),
        c(24, "", "A request whose deadline has passed does not reach the model", "tests/unit/serving/test_dispatcher.py::test_rows_whose_deadline_passed_in_the_queue_never_reach_the_model"),
        c(25, "★", "Calls that time out leave no thread behind"),
        c(26, "", "Clients that leave cost nothing and nobody", "tests/unit/serving/test_dispatcher.py::test_rows_of_a_client_that_left_never_reach_the_model"),
        c(27, "", "Batches of all sizes are answered right and in order", "tests/contract/test_oracle.py::test_a_thousand_concurrent_requests_get_the_answers_of_their_own_rows"),
        c(28, "", "A second request is answered like the first"),
    ),
    "Slow and hostile clients": (
        c(30, "★", "Half-open, slow and unread connections hold nobody up"),
        c(31, "★", "Random paths and headers grow neither metrics nor memory"),
        c(32, "", "One key that floods does not slow another"),
        c(33, "", "A scan of the model by one key meets its quota"),
    ),
    "Authentication and authorisation": (
        c(35, "F★", "Every bad key is the same 401 in the same time"),
        c(36, "F★", "Scopes open what the table says, and nothing else"),
        c(37, "F", "Bad tokens are 401, whatever is wrong with them"),
        c(38, "", "Keys come and go under load"),
        c(39, "F", "Nothing answers but what is documented"),
    ),
    "Model artefact and store": (
        c(40, "★", "A damaged version is refused before it is parsed",
          *(f"tests/faults/test_store_faults.py::test_{name}" for name in (
              "a_damaged_file_is_refused_before_anything_is_parsed",
              "the_file_of_another_version_is_refused",
              "an_extra_file_is_refused",
              "a_symlink_to_the_very_same_bytes_is_refused")),
          "tests/integration/test_following.py::test_a_version_that_is_damaged_after_its_promotion_is_rejected",
          "tests/faults/test_store_faults.py::test_c40_c41_the_canary_would_be_made_if_the_model_were_unpickled"),
        c(41, "★", "A version that would run code is refused, sealed or not",
          *(f"tests/faults/test_store_faults.py::test_{name}" for name in (
              "a_resealed_version_of_another_module_is_refused",
              "resealed_yaml_makes_no_objects",
              "resealed_custom_objects_are_refused",
              "c40_c41_the_canary_would_be_made_if_the_model_were_unpickled"))),
        c(42, "★", "A version that crashes, hangs, swallows memory or forks kills only its probe",
          *(f"tests/faults/test_probe.py::test_{name}" for name in (
              "a_version_that_breaks_its_loader_is_told_why",
              "a_version_that_hangs_is_killed_with_all_it_started",
              "such_a_version_is_not_promoted_and_the_loading_gate_says_why")),
          reason_no_teeth="without the probe the fault would end the test's own process"),
        c(43, "", "Other libraries, schemas or golden answers are refused by the gates",
          "tests/integration/test_gates.py::*"),
        c(44, "★", "A kill, a full disk or a power cut leaves all or nothing",
          *(f"tests/faults/test_store_kills.py::test_{name}" for name in (
              "a_kill_at_any_moment_leaves_a_sound_store",
              "a_kill_at_each_step_leaves_all_or_nothing",
              "a_full_disk_leaves_nothing_to_be_seen",
              "a_full_disk_leaves_production_where_it_was")),
          "tests/faults/test_train_kill.py::*"),
        c(45, "", "Of two at once exactly one wins",
          "tests/faults/test_store_kills.py::test_of_two_processes_that_register_the_same_tag_one_wins",
          "tests/integration/test_ledger_races.py::test_of_many_promotions_at_once_exactly_one_wins"),
        c(46, "F", "Only an exact tag finds a version",
          "tests/faults/test_store_faults.py::test_only_an_exact_tag_finds_a_version",
          "tests/unit/registry/test_tags.py::*"),
        c(47, "", "A store that is read-only, full or another's is told in one line",
          "tests/faults/test_store_kills.py::test_a_read_only_store_serves_and_refuses_to_register",
          "tests/faults/test_store_kills.py::test_a_store_of_another_user_is_one_clear_error"),
    ),
    "Hot swap and rollback": (
        c(50, "★", "Swaps under load lose no request and mix no answer",
          "tests/faults/test_hot_swap.py::test_swaps_under_load_lose_nothing_mix_nothing_and_come_at_their_time"),
        c(51, "★", "A version that fails after its promotion is taken back",
          "tests/integration/test_following.py::test_a_version_that_is_damaged_after_its_promotion_is_rejected"),
        c(52, "", "A swap beside a drain, a dead worker or another swap is whole or not at all"),
        c(53, "", "Two hundred swaps leave memory and descriptors where they were",
          "tests/faults/test_hot_swap.py::test_swaps_under_load_lose_nothing_mix_nothing_and_come_at_their_time"),
        c(54, "", "A rollback with the ledger away",
          "tests/integration/test_following.py::test_a_pinned_bento_is_rolled_back_on_its_host_without_the_ledger"),
    ),
    "Ledger": (
        c(55, "★", "A ledger that is locked, slow or away costs no prediction",
          "tests/integration/test_following.py::test_the_last_version_answers_on_while_the_ledger_is_away_and_readyz_says_so",
          "tests/integration/test_ledger_database.py::test_a_lock_that_stays_is_told_in_time_and_readers_do_not_mind"),
        c(56, "", "A kill in the middle of a commit leaves one chain with all that was acknowledged",
          "tests/integration/test_ledger_races.py::test_a_kill_at_any_moment_leaves_one_chain_with_all_that_was_acknowledged"),
        c(57, "", "An event that was changed by hand is found and named",
          "tests/integration/test_ledger_tampering.py::test_tampering_is_found_and_the_first_bad_event_is_named",
          "tests/unit/registry/test_ledger_chain.py::test_a_changed_event_is_found_and_named"),
        c(58, "", "Clocks that jump or drift harm nothing: the sequence orders",
          "tests/unit/registry/test_ledger.py::test_nobody_waits_longer_than_the_lead"),
    ),
    "Prediction log": (
        c(60, "★", "A log that cannot be written"),
        c(61, "★", "A log whose writer is killed"),
        c(62, "F★", "No secret and no forged line gets into a log"),
        c(63, "", "Every record in exactly one file"),
    ),
    "Process, start, stop": (
        c(65, "★", "A killed worker is replaced, or the container ends; only what it had in flight fails, and who asks again is answered"),
        c(66, "", "Liveness turns red for a hang, never for a slow model"),
        c(67, "★", "A drain loses no request"),
        c(68, "", "Whenever it is told to stop, it stops in time"),
        c(69, "", "Without memory, descriptors, threads or disk it refuses, and recovers"),
        c(70, "F", "What cannot be served ends in one line and is never ready"),
        c(71, "", "What the probes say from start to end"),
        c(72, "★", "An upgrade and its way back lose nothing"),
        c(73, "", "A soak of mixed traffic leaves memory, descriptors and latency flat",
          reason="60 minutes nightly are not run in CI: `make soak` is"),
    ),
    "Metrics": (
        c(75, "", "Counts survive workers that die, and other servers"),
        c(76, "F", "Every refusal counts once, under a bounded label"),
    ),
    "Image": (
        c(80, "F★", "Nothing but code gets into a Bento"),
        c(81, "F", "No build value becomes a command, a line or a template"),
        c(82, "", "Two builds of one commit are the same but for a list"),
        c(83, "", "A wheel that is another one or missing fails the build; no network is needed"),
        c(84, "", "The image: not root, read-only, no tools, no secrets, a list of components"),
        c(85, "★", "Confined to the utmost, it answers as the contract says"),
        c(86, "F", "Manifests that would lose requests or do harm are refused"),
        c(87, "", "Code, models and ledger go back together"),
        c(88, "", "What others' servers were broken by breaks nothing here"),
    ),
    "Dependencies": (
        c(89, "F", "No dependency below its safe version"),
    ),
}  # fmt: skip

NOT_YET: frozenset[int] = frozenset()
"""Those whose tests, or whose teeth, are still to come; the table says so. Better empty."""

CRITERIA = tuple(one for section in SECTIONS.values() for one in section)
