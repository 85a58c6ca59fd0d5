import type { RemoteUrl } from '../config/index.ts'
import type { Random } from '../runtime/index.ts'
import { POOL_URLS_MAX } from './limits.ts'

/**
 * The addresses of one hub, in the order they are tried: those of the configuration, shuffled once so
 * that leaves spread over a region's hubs, and behind them those that a hub has told of. The latter
 * are tried with the credentials and the protocol of the one that told.
 */
export class UrlPool {
  readonly #configured: readonly RemoteUrl[]
  #discovered: readonly RemoteUrl[] = []
  #next = 0

  constructor(urls: readonly RemoteUrl[], random: Random, isShuffled: boolean) {
    this.#configured = isShuffled ? shuffled(urls, random) : urls
  }

  get urls(): readonly RemoteUrl[] {
    return [...this.#configured, ...this.#discovered]
  }

  /** The address to try now; they take turns. */
  current(): RemoteUrl | undefined {
    const { urls } = this
    return urls[this.#next % urls.length]
  }

  /** After a link that stood: the first address is this server's own hub, the others stand in. */
  restart(): void {
    this.#next = 0
  }

  /** After a failure; true when all have been tried once more. */
  advance(): boolean {
    this.#next = (this.#next + 1) % Math.max(1, this.urls.length)
    return this.#next === 0
  }

  /** Replaces what was discovered before: a hub tells all it knows. */
  discover(addresses: readonly string[], like: RemoteUrl): void {
    const known = new Set(this.#configured.map((url) => `${url.host}:${url.port}`))
    const discovered: RemoteUrl[] = []
    for (const address of addresses) {
      const url = urlOf(address, like)
      if (url === undefined || known.has(`${url.host}:${url.port}`)) continue
      if (this.#configured.length + discovered.length >= POOL_URLS_MAX) break
      known.add(`${url.host}:${url.port}`)
      discovered.push(url)
    }
    this.#discovered = discovered
    if (this.#next >= this.urls.length) this.#next = 0
  }
}

/** `host:port`, the host of IPv6 in brackets. */
function urlOf(address: string, like: RemoteUrl): RemoteUrl | undefined {
  const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address)
  const port = Number(match?.[2] ?? 0)
  const host = match?.[1] ?? ''
  if (host === '' || port === 0 || port > 65_535) return undefined
  const scheme = like.text.slice(0, like.text.indexOf('://'))
  return { ...like, host, port, text: `${scheme}://${address}${like.path}` }
}

function shuffled(urls: readonly RemoteUrl[], random: Random): readonly RemoteUrl[] {
  const order = urls.map((url) => ({ url, rank: random.float() }))
  return order.sort((a, b) => a.rank - b.rank).map(({ url }) => url)
}
