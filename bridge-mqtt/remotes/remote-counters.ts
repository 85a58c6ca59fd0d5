/** What one remote has done since the start, as plain fields that monitoring reads. */
export class RemoteCounters {
  /** Connections whose CONNACK said yes. */
  connects = 0
  /** Dials and logins that failed, and connections that were lost. */
  failures = 0
  receivedMessages = 0
  receivedBytes = 0
  /** Acknowledged by the broker, or written at QoS 0. */
  sentMessages = 0
  sentBytes = 0
  /** Sent again because a connection ended before their PUBACK. */
  resentMessages = 0
  /** Came or would go in a circle. */
  loops = 0
  /** From the broker, acknowledged and not let in: larger than `max_payload`, no topic of ours, the server's own. */
  refusedInbound = 0
  /** For the broker, given up: too large for it, refused by it, no topic can say them, QoS 0 while it was away. */
  refusedOutbound = 0
  /** For the broker, whose message expiry had passed before it was there. */
  expired = 0
  /** Left the queue by its limits, or by damage on disk, before they were sent. */
  evicted = 0
  /** Not taken into the queue: it, or the disk, was full. Their publishers were told. */
  unqueued = 0
}
