import { MQTT_DEFAULTS, type MqttLimitsConfig } from '../shared/config/index.ts'
import { OUTPUT_HIGH_WATER_BYTES } from '../shared/transport/index.ts'

/**
 * Limits of the MQTT front door: what the configuration says, and what is fixed. Tests may give others. A reload
 * changes them for those who come from then on; where sessions and retained messages are kept, a restart.
 */
export interface MqttLimits {
  /** Connections at a time; one more is refused: CONNACK 3, of MQTT 5 0x97. */
  readonly clientsMax: number
  /** How long a connection may take until its CONNECT is complete. */
  readonly connectTimeoutMs: number
  /** The longest Keep Alive that a client gets; 0: what it asks for. */
  readonly keepAliveMaxMs: number
  /** Whether the server gives an id to who has none [MQTT-3.1.3-6]. */
  readonly allowsEmptyClientId: boolean
  /** Whether clients of MQTT 5 are told why: as far as the specification leaves that open. */
  readonly revealsReasons: boolean
  /** Where clients are sent in lame duck (MQTT 5, 4.11); '' for nowhere. */
  readonly serverReference: string
  /** Filters that one client may be subscribed to; the next one is answered 0x80, of MQTT 5 0x97. */
  readonly filtersPerClientMax: number
  /** QoS 1 and 2 publishes of one client that are under way: its Receive Maximum [MQTT-3.3.4-7]. */
  readonly inboundUnackedMax: number
  /** Topic aliases that a client may use [MQTT-3.2.2-17]. */
  readonly topicAliasMax: number
  /** The longest packet of a client [MQTT-3.2.2-15]; 0: what the largest payload needs. */
  readonly packetBytesMax: number
  /** Unacknowledged deliveries per session. */
  readonly ackPendingMax: number
  /**
   * Messages and bytes that wait for one slow client without a durable session, the newest beyond are dropped; and
   * the bytes that wait for any at QoS 0.
   */
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
  /** What waits for all of them, each message once, however many it waits for. */
  readonly queuedTotalBytesMax: number
  /** Publishes of one client per second; 0: no limit. */
  readonly publishRateMax: number
  /** The highest QoS of a publish, and of what a subscription is granted. */
  readonly publishQosMax: 1 | 2
  readonly grantedQosMax: 1 | 2
  /** Durable sessions of one account. */
  readonly sessionsMax: number
  /** How long a session may outlive its connection; 0: as long as its client asks. */
  readonly sessionExpiryMaxMs: number
  /** What is stored for the durable sessions of one account; beyond it the oldest goes. */
  readonly backlogBytesMax: number
  /** Retained messages of one account, and their bytes; 0: none are kept. */
  readonly retainedMax: number
  readonly retainedBytesMax: number
  /** From one report on the topics under `$SYS` to the next; 0: none are made. */
  readonly sysIntervalMs: number
  /** Whether AUTH with SCRAM-SHA-256 is offered. */
  readonly offersScram: boolean
  /** A publish that could not be stored closes its connection after this, to slow the retries down. */
  readonly refusedCloseMs: number
  /**
   * QoS 2 publishes of one client that wait for its PUBREL, before MQTT 5: nobody has told such a client how many
   * there may be, and some send all that they have at once. The next one closes its connection.
   */
  readonly unreleasedMax: number
  /** How long `drain` waits for commits that are on their way. */
  readonly drainMs: number
}

/** The limits that a configuration stands for. */
export function limitsOf(config: MqttLimitsConfig): MqttLimits {
  return {
    clientsMax: config.max_connections,
    connectTimeoutMs: config.connect_timeout,
    keepAliveMaxMs: config.max_keepalive,
    allowsEmptyClientId: config.allow_zero_length_clientid,
    revealsReasons: config.reveal_reasons,
    serverReference: config.server_reference,
    filtersPerClientMax: config.max_subscriptions,
    inboundUnackedMax: config.receive_maximum,
    topicAliasMax: config.topic_alias_maximum,
    packetBytesMax: config.max_packet_size,
    ackPendingMax: config.max_ack_pending,
    queuedMessagesMax: config.max_queued_messages,
    queuedBytesMax: config.max_queued_bytes,
    queuedTotalBytesMax: config.max_total_queued_bytes,
    publishRateMax: config.max_rate,
    publishQosMax: config.reject_qos2_publish ? 1 : 2,
    grantedQosMax: config.downgrade_qos2_subscribe ? 1 : 2,
    sessionsMax: config.max_sessions,
    sessionExpiryMaxMs: config.max_session_expiry,
    backlogBytesMax: config.max_backlog_bytes,
    retainedMax: config.max_retained,
    retainedBytesMax: config.max_retained_bytes,
    sysIntervalMs: config.sys_interval,
    offersScram: config.scram,
    refusedCloseMs: 1_000,
    unreleasedMax: 8_192,
    drainMs: 5_000,
  }
}

/** Those of a configuration that says nothing. */
export const DEFAULT_LIMITS: MqttLimits = limitsOf(MQTT_DEFAULTS)

/** Copies of messages that one client has in flight by shared subscriptions: what is beyond goes with its session. */
export const SHARED_COPIES_BYTES_MAX = 1024 * 1024
/** Messages of a session that has ended which go to others of their groups before others have their turn. */
export const LEFTOVERS_PER_TURN = 64
/** How often one is given to somebody whose disk does not take it, and how long it waits in memory in between. */
export const LEFTOVERS_TRIES = 4
export const LEFTOVERS_RETRY_MS = 5_000

/**
 * Output that waits for one subscriber whose socket takes no more: above this messages wait in queues, where
 * all who wait for one share it. The kernel has megabytes before that.
 */
export const DELIVERY_PENDING_BYTES_MAX = 16 * 1024

/**
 * Bytes in flight at QoS 1 and 2 to a client that has acknowledged nothing yet, which is more than mosquitto's
 * twenty messages of 2 KiB, and the most that they grow to: as much as links of 600 Mbit/s and 100 ms hold.
 */
export const FLIGHT_BYTES_MIN = 64 * 1024
export const FLIGHT_BYTES_MAX = 8 * 1024 * 1024
/**
 * After so long without an acknowledgement a client gets as many bytes again, since it may acknowledge by the batch;
 * and after twice as long once more.
 */
export const FLIGHT_PATIENCE_MS = 1_000

/**
 * Deliveries stop far below this, so only answers to a client that sends and never reads get here:
 * its input is then paused.
 */
export const ANSWERS_PENDING_BYTES_MAX = 4 * OUTPUT_HIGH_WATER_BYTES

/**
 * A CONNECT may be this long: its five fields of 64 KiB at most are never all used, and who is not
 * known yet must not fill the memory.
 */
export const CONNECT_BYTES_MAX = 128 * 1024

/** A subject must fit into one control line of 4,096 bytes on its way to other servers. */
export const SUBJECT_BYTES_MAX = 3_584

/** Topics (and, the other way, subjects) whose translation is remembered, and the longest of them. */
export const CACHED_TOPICS_MAX = 16_384
export const CACHED_TOPIC_BYTES = 256

/** Entries of an acknowledgement ring: there are no more packet identifiers than that. */
export const UNACKED_RING_MAX = 65_536

/** Kinds of terms that are looked through for a client that connects, for one who has the same. */
export const RECENT_TERMS_MAX = 16

/** A clean connection closes when nothing came for this many keep-alive intervals [MQTT-3.1.2-24]. */
export const KEEP_ALIVE_GRACE = 1.5

/** The same notice is logged at most once in this time. */
export const NOTICE_INTERVAL_MS = 10_000

/** What a packet may hold beside a payload: the fixed header, the longest topic, an identifier. */
export const PACKET_OVERHEAD_BYTES = 5 + 2 + 65_535 + 2

/** Headers that may stand beside a payload of full size: links and buffers have room for so many. */
export const ADDED_HEADERS_BYTES_MAX = 256

/** Connections beyond `clientsMax`: room for those whose CONNECT has not come yet. */
export const STRANGERS_MAX = 1_000

/** Of each client with a filter wider than it may receive: subjects whose answer is remembered. */
export const RECEIVABLE_SUBJECTS_MAX = 256
export const RECEIVABLE_SUBJECT_BYTES = 256

/** Of each client whose user may answer what it may not publish (`allow_responses`): requests not answered yet. */
export const PERMITTED_REPLIES_MAX = 4_096

/** Entries of one answer to an operator, and their bytes. */
export const PAGE_ENTRIES_MAX = 1_000
export const ANSWER_BYTES_MAX = 512 * 1024
/** How long a page may take to be made: what is behind is for the next one. */
export const PAGE_TIME_MAX_MS = 20
/** Lists of retained messages that are kept where a page of them ended, and how many are read at once. */
export const CONTINUED_LISTS_MAX = 32
export const RETAINED_LIST_READ = 128
/** What stands around the entries: names of server and account, counts. */
export const ANSWER_OVERHEAD_BYTES = 1_024

/** Requests of operators that wait for their turn, and those of one account among them. */
export const REQUESTS_WAITING_MAX = 1_024
export const REQUESTS_WAITING_PER_ACCOUNT_MAX = 32
/** The longest client id, when each of its bytes is escaped in JSON, has room in one. */
export const REQUEST_BYTES_MAX = 6 * 65_535 + 1_024

/** Who may publish so many messages a second may send those of this time at once, after a while of quiet. */
export const RATE_BURST_MS = 1_000

/** A client that is too fast waits at least so long: one timer then lets in several publishes. */
export const RATE_PAUSE_MS = 10

/** Topic aliases that are set at one client, which may take up to 65,535: each costs both ends memory. */
export const OUTBOUND_ALIASES_MAX = 64

/** Packets up to this long are laid out once for all receivers. */
export const SHARED_PACKET_BYTES_MAX = 4096

/** As mosquitto has it: matching costs time and depth by the level. */
export const FILTER_LEVELS_MAX = 201

/** Filters of one SUBSCRIBE or UNSUBSCRIBE that are done, and stored, together; others may have their turn then. */
export const FILTERS_TOGETHER = 16

/** Filters of a client that are looked at in any case when its permissions change: those of ten thousand change in one turn. */
export const RECHECKED_AT_ONCE = 1

/** Filters of one client whose overlaps are known pair by pair; with more, each may overlap with any. */
export const COMPARED_FILTERS_MAX = 256

/** Of each client with filters that overlap: subjects for which the matching ones are remembered. */
export const MERGED_SUBJECTS_MAX = 256
export const MERGED_SUBJECT_BYTES = 256
/** The memory of that, of all clients: some 200,000 subjects. */
export const MERGED_BYTES_MAX = 64 * 1024 * 1024

/** Retained messages that are read for one client at a time, and when that is tried again if it fails. */
export const RETAINED_PAGE_MESSAGES = 256
export const RETAINED_RETRY_MS = 1_000
/**
 * Retained messages that lie in a session's log ahead of what its client has been sent, fewer than it takes live, and
 * their bytes: when half of them have gone, more are read.
 */
export const RETAINED_AHEAD_MESSAGES = 512
export const RETAINED_AHEAD_BYTES = 512 * 1024

/** Members of a shared subscription that are asked whether they have room for a message. */
export const SHARED_MEMBERS_ASKED = 64

/** For `$SYS` topics: clients that are counted in one turn of the event loop, and how long that is good for. */
export const CLIENTS_COUNTED_PER_TURN = 2_000
export const FIGURES_AGE_MAX_MS = 1_000
