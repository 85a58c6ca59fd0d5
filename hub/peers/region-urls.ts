import type { HubUrls } from './peer-card.ts'
import type { PeerLink } from './peer-link.ts'

/** Where clients and leaves of this region can go: to this hub, and to the others that mean to stay. */
export function regionUrls(own: HubUrls, links: Iterable<PeerLink>): HubUrls {
  const all = [own]
  for (const { kind, card } of links) {
    if (kind === 'route' && !card.isLameDuck) all.push(card.urls)
  }
  const union = (of: (urls: HubUrls) => readonly string[]): readonly string[] =>
    [...new Set(all.flatMap(of))].sort()
  return {
    client: union((urls) => urls.client),
    webSocket: union((urls) => urls.webSocket),
    leafnode: union((urls) => urls.leafnode),
  }
}

export function isSameUrls(a: HubUrls, b: HubUrls): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
