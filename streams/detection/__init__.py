"""Detection and the life of a quarantine: pure code, time comes in as a value. `docs/detection.md` explains it.

A worker keeps one `TargetState` per target. For a response that is no 400 it adds one to two gaps
(`TargetState.good_request`); for a 400 it calls `judge_bad_request`, for an operation `judge_operation`, and
`judge_time` when `TargetState.next_due` has come. Each returns a `Decision`: what to send and what to tell.
"""

from streams.detection.decision import Circumstances, Decision, TargetWish
from streams.detection.explanation import Explanation, ScopeReading, TierReading, explain
from streams.detection.findings import Finding
from streams.detection.grants import answer_wish
from streams.detection.mixture import Mixture, Tiers
from streams.detection.operations import judge_operation, judge_time
from streams.detection.origins import CommonAttribute, Origin, OriginCounts, common_attribute
from streams.detection.policy import FleetRules, Policies, Rule, parse_policies
from streams.detection.requests import RecentIds, Retries, counts_as_trial
from streams.detection.target_state import JobState, TargetState, decode_target_state, encode_target_state
from streams.detection.verdict import is_certain, judge_bad_request
from streams.quarantine.ids import command_id, finding_id
from streams.quarantine.lifecycle import ISSUER, Holds, Life

__all__ = [
    "ISSUER",
    "Circumstances",
    "CommonAttribute",
    "Decision",
    "Explanation",
    "Finding",
    "FleetRules",
    "Holds",
    "JobState",
    "Life",
    "Mixture",
    "Origin",
    "OriginCounts",
    "Policies",
    "RecentIds",
    "Retries",
    "Rule",
    "ScopeReading",
    "TargetState",
    "TargetWish",
    "TierReading",
    "Tiers",
    "answer_wish",
    "command_id",
    "common_attribute",
    "counts_as_trial",
    "decode_target_state",
    "encode_target_state",
    "explain",
    "finding_id",
    "is_certain",
    "judge_bad_request",
    "judge_operation",
    "judge_time",
    "parse_policies",
]
