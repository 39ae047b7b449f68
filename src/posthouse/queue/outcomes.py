"""What an answer means for a recipient in the queue: done, failed, or when to try again (RFC 5321 §4.5.4.1, RFC 2852)."""

from __future__ import annotations

from posthouse.interfaces.courier import Answer
from posthouse.model.queued import Outcome, QueuedMessage, QueuedRecipient
from posthouse.model.settings import QueueSettings
from posthouse.queue import deadlines

MAX_REPLY = 500


def judge(
    message: QueuedMessage, recipient: QueuedRecipient, answer: Answer, *, relay: str, now: float, queue: QueueSettings
) -> Outcome:
    """The outcome of one attempt. A temporary failure becomes final when the message's time is up."""
    text = " ".join(answer.text.split())[:MAX_REPLY]
    if answer.code < 300:
        return Outcome(recipient.recipient_id, "done", text, relay)
    if answer.code >= 500:
        return Outcome(recipient.recipient_id, "failed", text, relay)
    if now >= message.expires_at:
        return Outcome(recipient.recipient_id, "failed", f"{text} (given up after trying for too long)"[:MAX_REPLY], relay)
    over = deadlines.is_over(message, now)
    if over and deadlines.returns(message):
        return Outcome(recipient.recipient_id, "failed", f"{text} (the time given for delivery is over)"[:MAX_REPLY], relay)
    again = min(now + retry_after(recipient.attempts, queue), max(message.expires_at, now + 1))
    if message.deliver_by is not None and not over:
        again = min(again, message.deliver_by)
    warned = recipient.delayed_notice or warning_due(message, now, queue)
    return Outcome(recipient.recipient_id, "waiting", text, relay, again, warned)


def retry_after(attempts: int, queue: QueueSettings) -> float:
    """Seconds to the next attempt after ``attempts`` earlier ones: doubling, up to the longest interval."""
    return float(min(queue.first_retry_s * 2 ** min(attempts, 30), queue.max_retry_s))


def warning_due(message: QueuedMessage, now: float, queue: QueueSettings) -> bool:
    """Whether the message has waited so long that its sender is to be told: as long as they gave it, or as is set."""
    if message.deliver_by is not None:
        return deadlines.is_over(message, now)
    return 0 < queue.warn_after_s <= now - message.begins_at
