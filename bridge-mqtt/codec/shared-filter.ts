/**
 * Filters of shared subscriptions, `$share/group/filter`. The group has at least one character
 * [MQTT-4.8.2-1], no wildcard, and a filter behind it [MQTT-4.8.2-2].
 */
export interface SharedFilter {
  readonly group: string
  readonly filter: string
}

const PREFIX = '$share'
const SHARED = /^\$share\/([^/+#]+)\/(.+)$/s

/** Whether a filter is meant for a shared subscription, well-formed or not. */
export function isShared(filter: string): boolean {
  return filter === PREFIX || filter.startsWith(`${PREFIX}/`)
}

/** The parts of a filter that `isShared`; undefined when it breaks the rules of such filters. */
export function parseShared(filter: string): SharedFilter | undefined {
  const [, group, rest] = SHARED.exec(filter) ?? []
  return group === undefined || rest === undefined ? undefined : { group, filter: rest }
}
