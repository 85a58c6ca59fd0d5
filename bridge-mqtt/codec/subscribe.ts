import { FieldWalk, NO_PROPERTIES } from './fields.ts'
import type { Frame } from './frame.ts'
import { LEVEL, type Level } from './level.ts'
import { PACKET } from './packet-types.ts'
import { PacketWriter } from './packet-writer.ts'
import { writeProperties } from './properties.ts'
import { PLACE, type Place, type Properties } from './property-table.ts'
import { isShared } from './shared-filter.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

export interface SubscribePacket {
  readonly packetId: number
  readonly filters: readonly RequestedFilter[]
  readonly properties: Properties
}

/** A topic filter with its options; those but `qos` are of MQTT 5, and false or 0 before. */
export interface RequestedFilter {
  readonly filter: string
  readonly qos: number
  readonly isNoLocal: boolean
  readonly isRetainAsPublished: boolean
  /** When retained messages are sent: 0 at each SUBSCRIBE, 1 at the first of its filter, 2 never. */
  readonly retainHandling: number
}

export interface UnsubscribePacket {
  readonly packetId: number
  readonly filters: readonly string[]
  readonly properties: Properties
}

const QOS_MAX = 2
const RETAIN_HANDLING_MAX = 2
/** Of the fixed header of both packets. */
const FLAGS = 2

const OPTION = { qos: 0x03, noLocal: 0x04, retainAsPublished: 0x08, retainHandling: 0x30 } as const
const RESERVED_OPTIONS = 0xc0
const RETAIN_HANDLING_SHIFT = 4

/**
 * Reads a SUBSCRIBE or UNSUBSCRIBE filter by filter: there may be as many as fit into the longest packet, so whoever
 * reads may stop in between. When nothing is left and there is no violation it is the packet.
 *
 * Identifier 0 and an empty filter have no reason code of their own in MQTT 5: as in mosquitto they are malformed
 * here, and a protocol error in a PUBLISH.
 */
export class RequestReader<Filter> {
  readonly packetId: number
  readonly properties: Properties
  readonly filters: Filter[] = []
  readonly #walk: FieldWalk
  readonly #readFilter: (walk: FieldWalk) => Filter

  constructor(walk: FieldWalk, kind: RequestKind, level: Level, read: (walk: FieldWalk) => Filter) {
    this.#walk = walk
    this.#readFilter = read
    this.packetId = walk.packetId(VIOLATIONS.requestIdZero)
    this.properties = level === LEVEL.v5 ? walk.properties(kind.place) : NO_PROPERTIES
    if (walk.isAtEnd) walk.fail(kind.empty)
  }

  get violation(): Violation | undefined {
    return this.#walk.violation
  }

  /** Reads one filter; false: that was the last, or there is a violation. */
  next(): boolean {
    if (!this.#walk.isAtEnd) this.filters.push(this.#readFilter(this.#walk))
    return !this.#walk.isAtEnd
  }

  /** What is left will be read when the packet's bytes are gone. */
  keep(): void {
    this.#walk.keep()
  }
}

interface RequestKind {
  readonly place: Place
  readonly empty: Violation
}

const SUBSCRIBE: RequestKind = { place: PLACE.subscribe, empty: VIOLATIONS.emptySubscribe }
const UNSUBSCRIBE: RequestKind = { place: PLACE.unsubscribe, empty: VIOLATIONS.emptyUnsubscribe }

/** Whether a filter's wildcards are well placed is not asked here. */
export function readSubscribe(
  bytes: Uint8Array,
  frame: Frame,
  level: Level,
): RequestReader<RequestedFilter> {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  return new RequestReader(walk, SUBSCRIBE, level, (it) => readRequest(it, level))
}

export function readUnsubscribe(
  bytes: Uint8Array,
  frame: Frame,
  level: Level,
): RequestReader<string> {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  return new RequestReader(walk, UNSUBSCRIBE, level, readFilter)
}

function readRequest(walk: FieldWalk, level: Level): RequestedFilter {
  const filter = readFilter(walk)
  const options = walk.byte()
  const request = {
    filter,
    qos: options & OPTION.qos,
    isNoLocal: (options & OPTION.noLocal) !== 0,
    isRetainAsPublished: (options & OPTION.retainAsPublished) !== 0,
    retainHandling: (options & OPTION.retainHandling) >> RETAIN_HANDLING_SHIFT,
  }
  if (level !== LEVEL.v5) {
    if (options > QOS_MAX) walk.fail(VIOLATIONS.subscribeQos)
    return request
  }
  if ((options & RESERVED_OPTIONS) !== 0) walk.fail(VIOLATIONS.subscriptionOptions)
  if (request.qos > QOS_MAX) walk.fail(VIOLATIONS.subscribeQos)
  if (request.retainHandling > RETAIN_HANDLING_MAX) walk.fail(VIOLATIONS.retainHandling)
  if (request.isNoLocal && isShared(filter)) walk.fail(VIOLATIONS.noLocalShared)
  return request
}

function readFilter(walk: FieldWalk): string {
  const filter = walk.text()
  if (filter === '') walk.fail(VIOLATIONS.emptyFilter)
  return filter
}

export function encodeSubscribe(packet: SubscribePacket, level: Level): Uint8Array {
  const writer = new PacketWriter().uint16(packet.packetId)
  if (level === LEVEL.v5) writeProperties(writer, packet.properties, PLACE.subscribe)
  for (const request of packet.filters) {
    const options =
      (request.isNoLocal ? OPTION.noLocal : 0) |
      (request.isRetainAsPublished ? OPTION.retainAsPublished : 0) |
      (request.retainHandling << RETAIN_HANDLING_SHIFT)
    writer.string(request.filter).byte(request.qos | (level === LEVEL.v5 ? options : 0))
  }
  return writer.packet(PACKET.subscribe, FLAGS)
}

export function encodeUnsubscribe(packet: UnsubscribePacket, level: Level): Uint8Array {
  const writer = new PacketWriter().uint16(packet.packetId)
  if (level === LEVEL.v5) writeProperties(writer, packet.properties, PLACE.unsubscribe)
  for (const filter of packet.filters) writer.string(filter)
  return writer.packet(PACKET.unsubscribe, FLAGS)
}
