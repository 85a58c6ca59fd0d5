/** All that a stream gets from others: its mirror's origin or its sources, as its configuration says now. */
import { isDeepStrictEqual } from 'node:util'
import type { StreamStore } from '../../store/index.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import type { StreamSource } from '../config/stream-source.ts'
import { NS_PER_MS } from '../limits.ts'
import { Feed, type FeedParts } from './feed.ts'
import { type FeedKind, type FeedOwner, feedConsumerName } from './feed-request.ts'
import { CAUGHT_UP_MESSAGES, FEED_STEPS, PLACES_KEPT } from './limits.ts'
import { type FedStream, MirrorIntake } from './mirror-intake.ts'
import { sourceIndex } from './source-index.ts'
import { PLACE_PREFIX, placeKey, SourceIntake } from './source-intake.ts'

const MIRROR = ''

interface Wanted {
  readonly kind: FeedKind
  readonly source: StreamSource
  readonly consumerName: string
}

export class StreamFeeds {
  readonly #stream: FedStream
  readonly #parts: FeedParts
  readonly #account: { readonly account: string; readonly domain: string }
  /** By the source's index; a mirror's by ''. */
  readonly #feeds = new Map<string, Feed>()

  constructor(
    stream: FedStream,
    parts: FeedParts,
    account: { readonly account: string; readonly domain: string },
  ) {
    this.#stream = stream
    this.#parts = parts
    this.#account = account
  }

  /** Begins and ends feeds, one after the other, until they are those of the configuration; none when it is undefined. */
  *follow(config: StreamConfig | undefined): Generator<number, void, void> {
    const wanted = new Map<string, Wanted>()
    for (const [key, one] of config === undefined ? [] : this.#wantedBy(config)) {
      wanted.set(key, one)
      yield 1
    }
    for (const [key, feed] of this.#feeds) {
      const now = wanted.get(key)
      const hasName = now?.consumerName === feed.consumerName
      if (!hasName || !isDeepStrictEqual(now?.source, feed.source)) {
        this.#feeds.delete(key)
        feed.stop(config !== undefined && !hasName)
      }
      yield FEED_STEPS
    }
    if (config === undefined) return
    const { random } = this.#parts
    for (const [key, { kind, source, consumerName }] of wanted) {
      if (this.#feeds.has(key)) continue
      const intake =
        kind === 'mirror'
          ? new MirrorIntake(this.#stream, random)
          : new SourceIntake(this.#stream, source, random)
      const facts = { kind, source, consumerName, ...this.#ownerOf(config) }
      this.#feeds.set(key, new Feed(this.#parts, facts, intake))
      yield FEED_STEPS
    }
    forgetPlaces(this.#stream.store, config.sources ?? [])
  }

  /** The stream is no more: what its origins keep for it goes. */
  removed(): void {
    for (const _ of this.end());
  }

  /** The same in steps. Each says what it counts for. */
  *end(): Generator<number, void, void> {
    for (const [key, feed] of this.#feeds) {
      this.#feeds.delete(key)
      feed.stop(true)
      yield FEED_STEPS
    }
  }

  /** A stream of the name was made in this account. */
  originMade(name: string): void {
    for (const feed of this.#feeds.values()) {
      if (feed.source.name === name && feed.source.external === undefined) feed.reached()
    }
  }

  /** Whether direct reads of the origin may be answered here. */
  isReadableAs(name: string): boolean {
    const { mirror, mirror_direct } = this.#stream.config
    if (mirror?.name !== name || !mirror_direct) return false
    return this.#feeds.get(MIRROR)?.isCaughtUp(CAUGHT_UP_MESSAGES) ?? false
  }

  /** `mirror` and `sources` of a stream's info. */
  info(): Readonly<Record<string, unknown>> {
    const { mirror, sources = [] } = this.#stream.config
    const infos = sources.flatMap((source) => {
      const feed = this.#feeds.get(sourceIndex(source).name)
      return feed === undefined ? [] : [feedInfo(feed)]
    })
    const mirrored = this.#feeds.get(MIRROR)
    return {
      ...(mirror === undefined || mirrored === undefined ? {} : { mirror: feedInfo(mirrored) }),
      ...(infos.length === 0 ? {} : { sources: infos }),
    }
  }

  *#wantedBy(config: StreamConfig): Generator<readonly [string, Wanted]> {
    const { mirror, sources = [] } = config
    const owner = this.#ownerOf(config)
    const counts = new Map<string, number>()
    for (const { name } of sources) counts.set(name, (counts.get(name) ?? 0) + 1)
    const wanted = (kind: FeedKind, source: StreamSource): Wanted => {
      const isOneOfSeveral = (counts.get(source.name) ?? 0) > 1
      const consumerName = feedConsumerName(kind, source, isOneOfSeveral, owner)
      return { kind, source, consumerName }
    }
    if (mirror !== undefined) yield [MIRROR, wanted('mirror', mirror)]
    else for (const source of sources) yield [sourceIndex(source).name, wanted('source', source)]
  }

  #ownerOf({ name }: StreamConfig): FeedOwner {
    return { stream: name, ...this.#account }
  }
}

function feedInfo(feed: Feed): Readonly<Record<string, unknown>> {
  const { name, external, subject_transforms } = feed.source
  const { silentMs, error, filter, copiedSeq } = feed
  return {
    name,
    ...(external === undefined ? {} : { external }),
    ...(copiedSeq === 0 ? {} : { seq: copiedSeq }),
    lag: feed.lag,
    active: silentMs < 0 ? -1 : Math.round(silentMs * NS_PER_MS),
    ...(error === undefined ? {} : { error }),
    ...(filter === undefined ? {} : { filter_subject: filter }),
    ...(subject_transforms === undefined ? {} : { subject_transforms }),
  }
}

/** A source that comes back goes on from where it was, unless there were very many meanwhile. */
function forgetPlaces({ states }: StreamStore, sources: readonly StreamSource[]): void {
  const kept = new Set(sources.map(placeKey))
  const places = [...states.entries()].flatMap(([key]) =>
    key.startsWith(PLACE_PREFIX) && !kept.has(key) ? [key] : [],
  )
  for (const key of places.slice(0, Math.max(0, places.length - PLACES_KEPT))) states.remove(key)
}
