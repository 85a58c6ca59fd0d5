import { isLiteral, SubjectFilter, subsetOf } from '../subject/index.ts'
import type { SubjectRules } from './link-hello.ts'
import { SHORT_ACKS, shortAckInterest } from './short-ack.ts'

/**
 * What may cross a link. `$JS.API.>`, `$KV.>` and `$OBJ.>` never do: they mean "the streams of the
 * server I am connected to", and both ends have some; the other end's are reached through their
 * domain (`$JS.hub.API.>`), which is interest like any other. `$SYS.>` belongs to one server too. A
 * message for our own domain, request or ack, does not leave, so that two ends with the same domain do
 * not both take it. Acks that name no domain are in short-ack.ts. Source: nats-server's leaf node denials, in the leafnode protocol digest, 5.
 */
const OWN_SUBJECTS = ['$JS.API.>', '$KV.>', '$OBJ.>', '$SYS.>']
const OWN_PREFIXES = OWN_SUBJECTS.map((subject) => Buffer.from(subject.slice(0, -1)))

/** Interest in these is exempt from a user's permissions [leafnode protocol, 2]. */
const EXEMPT_PREFIXES = ['$LDS.', '$GR.', '_GR_.']

/** Messages to these are exempt from a user's permissions [leafnode protocol, 3]. */
const EXEMPT_MESSAGES = ['_R_.', '_GR_.', '$JS.ACK.', '$MQTT.'].map((prefix) => Buffer.from(prefix))

const DOLLAR = 36

export class LinkPermissions {
  readonly #ownApi: Buffer | undefined
  readonly #ownAcks: Buffer | undefined
  readonly #send: Rules | undefined
  readonly #receive: Rules | undefined

  /**
   * @param ownDomain ours; '' when there is none
   * @param send what the other side lets us publish; undefined when it set no rules
   * @param receive what the other side lets us subscribe to
   */
  constructor(
    ownDomain: string,
    send: SubjectRules | undefined,
    receive: SubjectRules | undefined,
  ) {
    this.#ownApi = ownDomain === '' ? undefined : Buffer.from(`$JS.${ownDomain}.API.`)
    this.#ownAcks = ownDomain === '' ? undefined : Buffer.from(`$JS.ACK.${ownDomain}.`)
    this.#send = compile(send)
    this.#receive = compile(receive)
  }

  /** Whether a message on this literal subject may leave over the link. */
  maySend(subject: Uint8Array): boolean {
    if (subject[0] === DOLLAR) {
      if (isOwn(subject)) return false
      if (this.#ownApi !== undefined && startsWith(subject, this.#ownApi)) return false
      if (this.#isOwnAck(subject)) return false
    }
    if (this.#send === undefined) return true
    if (EXEMPT_MESSAGES.some((prefix) => startsWith(subject, prefix))) return true
    return permits(this.#send, subject)
  }

  /** Whether a message that came over the link may go on. */
  mayReceive(subject: Uint8Array): boolean {
    if (subject[0] === DOLLAR && isOwn(subject)) return false
    if (this.#receive === undefined) return true
    if (EXEMPT_MESSAGES.some((prefix) => startsWith(subject, prefix))) return true
    return permits(this.#receive, subject)
  }

  /** Whether a message that came breaks the rules of the leaf's user: reason enough to part. */
  breaksRules(subject: Uint8Array): boolean {
    return !(subject[0] === DOLLAR && isOwn(subject)) && !this.mayReceive(subject)
  }

  /** Whether the other side asks for a subject that it may never get. Wildcards are looked at per message. */
  refusesInterest(subject: string): boolean {
    if (this.#send === undefined || !isLiteral(subject)) return false
    if (EXEMPT_PREFIXES.some((prefix) => subject.startsWith(prefix))) return false
    if (EXEMPT_MESSAGES.some((prefix) => subject.startsWith(prefix.toString()))) return false
    const { allow, deny } = this.#send
    if (deny.some((filter) => filter.matchesText(subject))) return true
    return allow !== undefined && !allow.some((filter) => filter.matchesText(subject))
  }

  /** Whether to tell the other side of our interest. Wildcards wider than a rule are told. */
  mayAdvertise(subject: string): boolean {
    if (isOwnSubject(subject) || subject === SHORT_ACKS) return false
    if (this.#receive === undefined) return true
    if (EXEMPT_PREFIXES.some((prefix) => subject.startsWith(prefix))) return true
    const { allow, deny } = this.#receive
    if (deny.some((filter) => subsetOf(subject, filter.subject))) return false
    if (allow === undefined) return true
    return allow.some((filter) =>
      isLiteral(subject) ? filter.matchesText(subject) : filter.overlaps(subject),
    )
  }

  /** Whether the other side's interest can ever be served. */
  mayServe(subject: string): boolean {
    return !isOwnSubject(subject)
  }

  /** A short ack may have a stream's name where the long form has the domain. */
  #isOwnAck(subject: Uint8Array): boolean {
    if (this.#ownAcks === undefined || !startsWith(subject, this.#ownAcks)) return false
    return shortAckInterest(subject) === undefined
  }
}

/** The rules of a remote and what its other side said, both in force. */
export function narrowed(rules: SubjectRules | undefined, denied: readonly string[]): SubjectRules {
  return { allow: rules?.allow, deny: [...(rules?.deny ?? []), ...denied] }
}

interface Rules {
  readonly allow: readonly SubjectFilter[] | undefined
  readonly deny: readonly SubjectFilter[]
}

function compile(rules: SubjectRules | undefined): Rules | undefined {
  if (rules === undefined) return undefined
  if (rules.allow === undefined && rules.deny.length === 0) return undefined
  return { allow: rules.allow?.map(toFilter), deny: rules.deny.map(toFilter) }
}

function toFilter(subject: string): SubjectFilter {
  return new SubjectFilter(subject)
}

function permits(rules: Rules, subject: Uint8Array): boolean {
  if (rules.deny.some((filter) => filter.matches(subject))) return false
  return rules.allow === undefined || rules.allow.some((filter) => filter.matches(subject))
}

function isOwnSubject(subject: string): boolean {
  return OWN_SUBJECTS.some((own) => subsetOf(subject, own))
}

function isOwn(subject: Uint8Array): boolean {
  for (const prefix of OWN_PREFIXES) if (startsWith(subject, prefix)) return true
  return false
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false
  return true
}
