"""Judge the day by what the systems hold, never by our own logs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.sandbox import Sandbox
from workers.demo.story import Told


@dataclass(slots=True)
class Verdict:
    """What was found: every entry is a sentence."""

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)

    def expect(self, what: str, found: int) -> None:
        """Expect a thing exactly once."""
        if found == 0:
            self.lost.append(what)
        elif found > 1:
            self.duplicates += [f"{what} ({found} times)"] * (found - 1)

    def ordered(self, where: str, words: Sequence[str], texts: Sequence[str]) -> None:
        """Expect words exactly once each, and in their order."""
        places = []
        for word in words:
            holding = [number for number, text in enumerate(texts) if word in text]
            self.expect(f"{word} in {where}", len(holding))
            places += holding[:1]
        self.out_of_order += [
            f"{where}: {words[number]} after {words[number + 1]}"
            for number in range(len(places) - 1)
            if len(places) == len(words) and places[number] > places[number + 1]
        ]


def judge(told: Told, sandboxes: Mapping[str, Sandbox]) -> Verdict:
    """Compare what people did with what every system holds now."""
    verdict = Verdict()
    for sandbox in sandboxes.values():
        verdict.duplicates += [f"marker {marker} added again" for marker in sandbox.ledger.duplicates()]
    jira = sandboxes["jira"].state()
    by_title: dict[str, list[str]] = {}
    for key, issue in jira.items():
        by_title.setdefault(issue["fields"]["summary"], []).append(key)
    github = {
        issue["key"]: issue
        for repository in sandboxes["github"].state()["repositories"].values()
        for issue in repository["issues"]
    }
    pairs: dict[str, str] = {}
    for key, title in told.titles.items():
        found = by_title.get(title, [])
        verdict.expect(f"a Jira issue for {key}", len(found))
        if found:
            pairs[key] = found[0]
    for key, words in told.github_comments.items():
        if key in pairs:
            verdict.ordered(f"{pairs[key]} (from {key})", words, _jira_comments(jira[pairs[key]]))
    back = {issue: key for key, issue in pairs.items()}
    for issue, words in told.jira_comments.items():
        if issue in back:
            texts = [str(one["body"]) for one in github[back[issue]]["comments"]]
            verdict.ordered(f"{back[issue]} (from {issue})", words, texts)
    _states(verdict, told, pairs, github, jira)
    _slack(verdict, jira, sandboxes["slack"].state())
    return verdict


def _states(
    verdict: Verdict, told: Told, pairs: Mapping[str, str], github: Mapping[str, Any], jira: Mapping[str, Any]
) -> None:
    for key, issue in pairs.items():
        closed = key in told.closed
        if (github[key]["state"] == "closed") != closed:
            verdict.lost.append(f"the state of {key}")
        done = jira[issue]["fields"]["status"]["statusCategory"]["key"] == "done"
        if closed and not done:
            verdict.lost.append(f"the status of {issue} (of {key}, closed)")


def _slack(verdict: Verdict, jira: Mapping[str, Any], slack: Mapping[str, Any]) -> None:
    texts = json.dumps(slack, ensure_ascii=False)
    roots = _roots(slack)
    for key in jira:
        if key.startswith("WEB-"):
            verdict.expect(f"a message for {key}", sum(1 for root in roots if f"|{key}>" in root))
    for key, issue in jira.items():
        for comment in _jira_comments(issue) if key.startswith("WEB-") else ():
            words = [word for word in comment.replace('"', " ").split() if word.startswith("note")]
            for word in words[:1]:
                if word[:8] not in texts:
                    verdict.lost.append(f"{word[:8]} in the thread of {key}")


def _roots(slack: Mapping[str, Any]) -> list[str]:
    """Return the texts of all messages that begin a thread."""
    found = []

    def look(value: Any) -> None:
        if isinstance(value, Mapping):
            if "ts" in value and "text" in value:
                if value.get("thread_ts") in {None, "", value["ts"]} and value.get("subtype") != "tombstone":
                    found.append(str(value["text"]))
            else:
                for one in value.values():
                    look(one)
        elif isinstance(value, list | tuple):
            for one in value:
                look(one)

    look(slack)
    return found


def _jira_comments(issue: Mapping[str, Any]) -> list[str]:
    comments = issue["fields"].get("comment", {}).get("comments", [])
    return [json.dumps(one["body"], ensure_ascii=False) for one in comments]
