import type { PermissionsConfig, SubjectPermissionConfig } from '../config/index.ts'
import { hasWildcard, isValidSubject, overlaps, SubjectTree, subsetOf } from '../subject/index.ts'
import type { Permissions } from './permissions.ts'

/**
 * Permissions as nats-server reads them (server/client.go, `canSubscribe` and `pubAllowed`):
 *
 *  - no allow list allows everything; a publish list that is empty allows nothing, a subscribe list
 *    that is empty everything; what is denied stays denied;
 *  - an entry `subject queue` speaks of queue subscriptions alone, and once one of them matches the
 *    subject, the queue entries decide and the plain ones do not;
 *  - a wildcard subscription must lie within one allow entry; one that is wider than a deny entry is let
 *    in, and what the entry denies is left out of its deliveries;
 *  - with `allow_responses` and no publish list nothing but responses may be published.
 *
 * In one point it is stricter: nats-server takes a final `>` for a token, so that an allow entry
 * `foo.*` lets `foo.>` in, and all it matches. Here that subscription is wider than the entry, and
 * refused: decision 0008.
 */
class CompiledPermissions implements Permissions {
  readonly config: PermissionsConfig
  readonly restrictsPublish: boolean
  readonly responses: { readonly max: number; readonly expiresMs: number } | undefined
  readonly #publish: Entries | undefined
  readonly #unpublished: Entries
  readonly #subscribe: Entries | undefined
  readonly #unsubscribed: Entries

  constructor(config: PermissionsConfig) {
    const { publish, subscribe, allow_responses } = config
    this.config = config
    const onlyResponses = allow_responses !== undefined && publish.allow === undefined
    const allow = onlyResponses ? [] : publish.allow
    this.#publish = allow === undefined ? undefined : new Entries(allow)
    // A queue means nothing there, and must not weaken the entry either.
    this.#unpublished = new Entries(publish.deny.map((line) => line.trim().split(/\s+/)[0] ?? ''))
    this.restrictsPublish = allow !== undefined || publish.deny.length > 0
    const subscribes = subscribe.allow !== undefined && subscribe.allow.length > 0
    this.#subscribe = subscribes ? new Entries(subscribe.allow) : undefined
    this.#unsubscribed = new Entries(subscribe.deny)
    this.responses =
      allow_responses === undefined
        ? undefined
        : { max: allow_responses.max, expiresMs: allow_responses.expires }
  }

  mayPublish(subject: string): boolean {
    if (this.#publish !== undefined && !this.#publish.hasPlain(subject)) return false
    return !this.#unpublished.hasPlain(subject)
  }

  maySubscribe(subject: string, queue: string): boolean {
    if (this.#subscribe !== undefined && !isAllowed(this.#subscribe, subject, queue)) return false
    return !isDenied(this.#unsubscribed, subject, queue)
  }

  filtersDeliveries(subject: string, queue = ''): boolean {
    return (queue !== '' || hasWildcard(subject)) && this.#unsubscribed.overlap(subject)
  }

  mayReceive(subject: string, queue = ''): boolean {
    return !isDenied(this.#unsubscribed, subject, queue)
  }
}

export function compilePermissions(config: PermissionsConfig): Permissions {
  return new CompiledPermissions(config)
}

/** What may be published by these permissions, without responses; undefined: everything. */
export function publishRulesOf(
  permissions: Permissions | undefined,
): SubjectPermissionConfig | undefined {
  if (permissions === undefined || !permissions.restrictsPublish) return undefined
  const { publish, allow_responses } = permissions.config
  const onlyResponses = allow_responses !== undefined && publish.allow === undefined
  return onlyResponses ? { allow: [], deny: publish.deny } : publish
}

/** `config` with more subjects that may not be published to. */
export function denyingPublish(
  config: PermissionsConfig | undefined,
  subjects: readonly string[],
): PermissionsConfig {
  const { publish, subscribe, allow_responses } = config ?? UNRESTRICTED
  return { publish: withDeny(publish, subjects), subscribe, allow_responses }
}

export const UNRESTRICTED: PermissionsConfig = {
  publish: { allow: undefined, deny: [] },
  subscribe: { allow: undefined, deny: [] },
  allow_responses: undefined,
}

function withDeny(
  permission: SubjectPermissionConfig,
  subjects: readonly string[],
): SubjectPermissionConfig {
  return { allow: permission.allow, deny: [...new Set([...permission.deny, ...subjects])] }
}

/** One line of a list: a subject, and for queue subscriptions the group. */
interface Entry {
  readonly subject: string
  /** '' when the entry names none. */
  readonly queue: string
}

class Entries {
  readonly #tree = new SubjectTree<Entry>()
  readonly #entries: readonly Entry[]

  constructor(lines: readonly string[]) {
    this.#entries = lines.map(readEntry).filter((entry) => entry !== undefined)
    for (const entry of this.#entries) this.#tree.add(entry.subject, entry)
  }

  /** Entries whose subject matches, each token of `subject` taken as it stands. */
  matching(subject: string): Entry[] {
    return this.#entries.length === 0 ? [] : this.#tree.match(subject)
  }

  hasPlain(subject: string): boolean {
    return this.matching(subject).some(({ queue }) => queue === '')
  }

  overlap(subject: string): boolean {
    return this.#entries.some((entry) => overlaps(entry.subject, subject))
  }
}

/** What is neither a subject nor a subject and a queue names nothing: the configuration refuses it before. */
function readEntry(line: string): Entry | undefined {
  const [subject, queue, ...more] = line.trim().split(/\s+/)
  if (subject === undefined || !isValidSubject(subject) || more.length > 0) return undefined
  if (queue !== undefined && !isValidSubject(queue)) return undefined
  return { subject, queue: queue ?? '' }
}

function isAllowed(entries: Entries, subject: string, queue: string): boolean {
  const found = entries
    .matching(subject)
    .filter((entry) => !hasWildcard(subject) || subsetOf(subject, entry.subject))
  const groups = found.filter((entry) => entry.queue !== '')
  if (queue !== '' && groups.length > 0) return groups.some((entry) => coversQueue(entry, queue))
  return groups.length < found.length
}

function isDenied(entries: Entries, subject: string, queue: string): boolean {
  return entries
    .matching(subject)
    .some((entry) => entry.queue === '' || (queue !== '' && coversQueue(entry, queue)))
}

/** Names of groups may look like wildcards themselves, so the name as it stands comes first. */
function coversQueue(entry: Entry, queue: string): boolean {
  return entry.queue === queue || (hasWildcard(entry.queue) && subsetOf(queue, entry.queue))
}
