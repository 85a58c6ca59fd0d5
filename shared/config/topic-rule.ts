/**
 * Just enough of the rules for topics to check a configuration: this folder lies below the one that
 * speaks MQTT and cannot import it.
 */

const SHARED = '$share/'
const TOPIC_BYTES_MAX = 65_535

/** First levels that belong to the server: nothing from a broker is let in there, and nothing of it goes out. */
const SERVER_LEVELS = ['$SYS', '$JS', '$JSC', '$FLEET', '$MQTT']

/** What is wrong with a topic filter; undefined when nothing is [MQTT-4.7.1-1] [MQTT-4.7.1-2]. */
export function topicFilterFault(filter: string): string | undefined {
  if (filter === '') return 'a topic filter may not be empty'
  const fault = characterFault(filter)
  if (fault !== undefined) return fault
  if (filter.startsWith(SHARED) && unshared(filter) === undefined) {
    return `"${filter}" is no shared subscription: write $share/group/filter`
  }
  const levels = (unshared(filter) ?? filter).split('/')
  for (const [i, level] of levels.entries()) {
    if (level === '#' && i === levels.length - 1) continue
    if (level === '+' || !/[+#]/.test(level)) continue
    return `"${filter}" has a wildcard where none may be: + is a whole level, # the last one`
  }
  return undefined
}

/** What is wrong with what is put in front of topics; undefined when nothing is. */
export function topicPrefixFault(prefix: string): string | undefined {
  const fault = characterFault(prefix)
  if (fault !== undefined) return fault
  if (/[+#]/.test(prefix)) return `the prefix "${prefix}" may not hold + or #`
  return prefix === '' || prefix.endsWith('/')
    ? undefined
    : `the prefix "${prefix}" must end with /, so that it is whole levels`
}

/** Of `$share/group/filter` the filter; undefined when it is not of that form. */
export function unshared(filter: string): string | undefined {
  return /^\$share\/[^/+#]+\/(.+)$/s.exec(filter)?.[1]
}

/** Whether all that a filter matches belongs to the server itself. */
export function isServerTopic(filter: string): boolean {
  return SERVER_LEVELS.includes(filter.split('/')[0] ?? '')
}

/** Whether some topic matches both filters; `a/#` matches `a` too, and no wildcard a first `$` level. */
export function topicsOverlap(left: string, right: string): boolean {
  const [a, b] = [left.split('/'), right.split('/')]
  if (isWild(a[0]) !== isWild(b[0]) && [a[0], b[0]].some((level) => level?.startsWith('$'))) {
    return false
  }
  for (let i = 0; ; i++) {
    const [x, y] = [a[i], b[i]]
    if (x === '#' || y === '#') return true
    if (x === undefined || y === undefined) return x === y
    if (x !== y && x !== '+' && y !== '+') return false
  }
}

function isWild(level: string | undefined): boolean {
  return level === '+' || level === '#'
}

function characterFault(text: string): string | undefined {
  if (text.includes('\0')) return 'a topic may not hold a NUL character'
  if (Buffer.byteLength(text) <= TOPIC_BYTES_MAX) return undefined
  return `a topic may have ${TOPIC_BYTES_MAX} bytes at most`
}
