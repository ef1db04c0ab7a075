"""Detection: from 400s to commands and findings. Pure: time is a parameter. `docs/detection.md` explains it.

A worker has one `TargetState` per target. For a response that is no 400 it adds one to two gaps
(`TargetState.good_request`). For a 400 it calls `apply_bad_request`, for an operation `apply_operation`, for a grant or
refusal `apply_grant_decision`, and `apply_time` when `TargetState.next_due` has come. Each returns a `Decision`: what
to send.
"""

from streams.detection.bad_request import apply_bad_request, is_certain
from streams.detection.decision import Decision, PendingGrant, RecordContext
from streams.detection.explanation import Explanation, ScopeReading, TierReading, explain
from streams.detection.findings import Finding
from streams.detection.grants import apply_grant_decision
from streams.detection.mixture import Mixture, Tiers
from streams.detection.operations import apply_operation, apply_time
from streams.detection.origins import CommonAttribute, Origin, OriginCounts, common_attribute
from streams.detection.policy import FleetRules, Policies, Rule
from streams.detection.policy_parser import parse_policies
from streams.detection.requests import RecentIds, Retries, counts_as_trial
from streams.detection.target_state import JobState, TargetState, decode_target_state, encode_target_state

__all__ = [
    "CommonAttribute",
    "Decision",
    "Explanation",
    "Finding",
    "FleetRules",
    "JobState",
    "Mixture",
    "Origin",
    "OriginCounts",
    "PendingGrant",
    "Policies",
    "RecentIds",
    "RecordContext",
    "Retries",
    "Rule",
    "ScopeReading",
    "TargetState",
    "TierReading",
    "Tiers",
    "apply_bad_request",
    "apply_grant_decision",
    "apply_operation",
    "apply_time",
    "common_attribute",
    "counts_as_trial",
    "decode_target_state",
    "encode_target_state",
    "explain",
    "is_certain",
    "parse_policies",
]
