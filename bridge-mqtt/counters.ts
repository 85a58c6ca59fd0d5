/** What the front door has done, as plain fields that monitoring reads. Bytes are of payloads. */
export class MqttCounters {
  /** Connections open now, and those of them whose CONNECT was accepted. */
  connections = 0
  clients = 0
  clientsTotal = 0
  /** CONNECTs answered with a code other than 0. */
  refused = 0
  /** Connections closed for a broken rule. */
  violations = 0
  takeovers = 0
  keepAliveExpired = 0
  filters = 0
  receivedMessages = 0
  receivedBytes = 0
  sentMessages = 0
  sentBytes = 0
  /** QoS 1 publishes acknowledged to their publishers, and those whose commit failed. */
  acknowledged = 0
  uncommitted = 0
  wills = 0
  /** What waits for slow subscribers now: deliveries, and the memory that they take together. */
  queuedMessages = 0
  queuedBytes = 0
  /** Deliveries dropped for a slow subscriber. */
  droppedQos0 = 0
  droppedQos1 = 0
  /** Those of them for which all queues together had no room. */
  droppedQueuesFull = 0
  /** Not delivered: above the packet size that the client takes, or expired while they waited. */
  droppedTooLarge = 0
  expired = 0
  /** Publishes to topics of the server itself, acknowledged and dropped. */
  deniedPublishes = 0
  /** Deliveries whose subject no topic can carry. */
  untranslatable = 0
}
