import type { Log } from '../../shared/log/index.ts'
import {
  type ConnackPacket,
  encodeSubscribe,
  encodeUnsubscribe,
  LEVEL,
  type Level,
  NO_PROPERTIES,
  REASON,
  type SubackPacket,
} from '../codec/index.ts'
import { filterRefusalOf } from './answers.ts'
import type { BridgedTopics } from './bridged-topics.ts'
import type { RemoteQueue } from './remote-queue.ts'

/** Nothing else is in flight when these are used: publishes wait for the SUBACK. */
const SUBSCRIBE_ID = 1
const UNSUBSCRIBE_ID = 2
/** MQTT 5: retained messages come with the first SUBSCRIBE of a filter in a session, not with each. */
const RETAINED_IF_NEW = 1

/**
 * The filters of one remote in its session at the broker: asks for those that it has not, gives back those that
 * are not configured any more, and says what was refused.
 */
export class RemoteFilters {
  /** Filters that the broker does not let us have, as of the last SUBACK. */
  refused = 0
  readonly #entries: readonly BridgedTopics[]
  readonly #queue: RemoteQueue
  readonly #log: Log
  #level: Level = LEVEL.v5

  constructor(entries: readonly BridgedTopics[], queue: RemoteQueue, log: Log) {
    this.#entries = entries
    this.#queue = queue
    this.#log = log
  }

  /** True when a SUBACK is to be waited for. */
  begin(connack: ConnackPacket, level: Level, write: (packet: Uint8Array) => void): boolean {
    this.#level = level
    const had = this.#queue.granted
    if (!connack.isSessionPresent && had.length > 0) {
      const advice =
        "look at the broker's session limits and its storage; is the client id ours alone?"
      const message = 'the broker has lost our session: what it had for us is gone'
      this.#log.warn({ advice }, message)
      this.#queue.remember([])
    }
    const granted = connack.isSessionPresent ? had : []
    const wanted = this.#entries.map(keyOf)
    const stale = granted.filter((key) => !wanted.includes(key)).map(filterOf)
    const isDropped = stale.filter((it) => !this.#entries.some((own) => own.brokerFilter === it))
    if (isDropped.length > 0) {
      const packet = { packetId: UNSUBSCRIBE_ID, filters: isDropped, properties: NO_PROPERTIES }
      write(encodeUnsubscribe(packet, level))
    }
    if (wanted.every((key) => granted.includes(key))) {
      if (stale.length > 0) this.#queue.remember(wanted)
      return false
    }
    write(encodeSubscribe(this.#request(level), level))
    return true
  }

  answered({ codes }: SubackPacket): void {
    const granted: string[] = []
    this.refused = 0
    for (const [i, entry] of this.#entries.entries()) {
      const code = codes[i] ?? REASON.unspecified
      const filter = entry.brokerFilter
      if (code >= REASON.unspecified) {
        this.refused++
        this.#log.error(
          { filter, ...filterRefusalOf(code, this.#level) },
          'broker refused a topic filter',
        )
        continue
      }
      if (code < entry.qos) {
        const message = 'broker grants QoS 0 only: what it sends while we are away is lost'
        this.#log.warn({ filter }, message)
      }
      granted.push(keyOf(entry))
    }
    this.#queue.remember(granted)
  }

  #request(level: Level) {
    return {
      packetId: SUBSCRIBE_ID,
      properties: NO_PROPERTIES,
      filters: this.#entries.map(({ brokerFilter, qos, isShared }) => ({
        filter: brokerFilter,
        qos,
        isNoLocal: level === LEVEL.v5 && !isShared,
        isRetainAsPublished: false,
        retainHandling: RETAINED_IF_NEW,
      })),
    }
  }
}

/** A filter is asked for anew when its QoS has changed. */
function keyOf({ qos, brokerFilter }: BridgedTopics): string {
  return `${qos} ${brokerFilter}`
}

function filterOf(key: string): string {
  return key.slice(key.indexOf(' ') + 1)
}
