import { PetioleError, type Random } from '../runtime/index.ts'
import { hasWildcard, isValidSubject } from './subject.ts'
import { SubjectTransform } from './subject-transform.ts'
import { SubjectTree } from './subject-tree.ts'

/** `subject` becomes one of `destinations`; what their weights leave of 100 keeps its subject. */
export interface MappingRule {
  readonly subject: string
  readonly destinations: readonly {
    readonly subject: string
    /** Percent. */
    readonly weight: number
    /** Only in this cluster; '' for all that have none of their own. */
    readonly cluster: string
  }[]
}

/**
 * The subject mappings of one account: what a client publishes to becomes another subject before it is
 * routed. A literal source goes before one with wildcards, of those the first in the list. Which rule a
 * subject has depends on nothing but the subject, so the router keeps the answer of `find` beside its
 * route, and an unmapped subject costs nothing. Source: nats-server's server/accounts.go, AddWeightedMappings.
 */
export class SubjectMappings {
  static readonly none = new SubjectMappings([], '')

  readonly isEmpty: boolean
  /** Of all rules: other servers must send us what they match. */
  readonly sources: readonly string[]
  readonly #literals = new Map<string, SubjectMapping>()
  readonly #wildcards = new SubjectTree<SubjectMapping>()

  /**
   * @param cluster this server's, '' for none
   * @throws PETIOLE_MAPPING_INVALID, with nats-server's words
   */
  constructor(rules: readonly MappingRule[], cluster: string) {
    // The last of several rules for one source holds, in the place of the first.
    const mappings = new Map<string, SubjectMapping>()
    for (const rule of rules) {
      const order = mappings.get(rule.subject)?.order ?? mappings.size
      mappings.set(rule.subject, new SubjectMapping(rule, cluster, order))
    }
    for (const mapping of mappings.values()) {
      if (hasWildcard(mapping.source)) this.#wildcards.add(mapping.source, mapping)
      else this.#literals.set(mapping.source, mapping)
    }
    this.isEmpty = mappings.size === 0
    this.sources = [...mappings.keys()]
  }

  /** The rule for a literal subject: always the same answer, and so worth remembering. */
  find(subject: string): SubjectMapping | undefined {
    if (this.isEmpty) return undefined
    const literal = this.#literals.get(subject)
    if (literal !== undefined || this.#wildcards.size === 0) return literal
    let first: SubjectMapping | undefined
    for (const mapping of this.#wildcards.match(subject)) {
      if (first === undefined || mapping.order < first.order) first = mapping
    }
    return first
  }

  /** What becomes of a literal subject: undefined when it stays, '' when the message is to be dropped. */
  map(subject: string, random: Random): string | undefined {
    return this.find(subject)?.map(subject, random)
  }
}

/** One rule, as it is in this server's cluster. */
export class SubjectMapping {
  readonly source: string
  readonly order: number
  /** By rising sum of weights. */
  readonly #shares: readonly { readonly below: number; readonly transform: Transform }[]

  constructor(rule: MappingRule, cluster: string, order: number) {
    this.source = rule.subject
    this.order = order
    checkWeights(rule)
    const all = rule.destinations.map(({ subject, ...rest }) => ({
      ...rest,
      transform: new SubjectTransform(rule.subject, subject),
    }))
    const hasOwn = cluster !== '' && all.some((it) => it.cluster === cluster)
    const here = all.filter((it) => it.cluster === (hasOwn ? cluster : ''))
    let below = 0
    const shares: { below: number; transform: Transform }[] = []
    for (const { weight, transform } of here) {
      below += weight
      shares.push({ below, transform })
    }
    // Who names the source himself wants the rest to be lost: a way to test with an unreliable network.
    const isLossy = rule.destinations.some(({ subject }) => subject === rule.subject)
    if (below < WHOLE && !isLossy) shares.push({ below: WHOLE, transform: undefined })
    this.#shares = shares
  }

  map(subject: string, random: Random): string | undefined {
    const [first] = this.#shares
    if (first !== undefined && first.below === WHOLE) return first.transform?.apply(subject, random)
    const point = random.below(WHOLE)
    for (const { below, transform } of this.#shares) {
      if (point < below) return transform?.apply(subject, random)
    }
    return ''
  }
}

/** undefined keeps the subject. */
type Transform = SubjectTransform | undefined

const WHOLE = 100

function checkWeights(rule: MappingRule): void {
  if (!isValidSubject(rule.subject)) throw invalid('invalid subject')
  const totals = new Map<string, number>()
  const seen = new Set<string>()
  for (const { subject, weight, cluster } of rule.destinations) {
    if (seen.has(subject)) throw invalid(`duplicate entry for ${JSON.stringify(subject)}`)
    seen.add(subject)
    if (weight > WHOLE) throw invalid('individual weights need to be <= 100')
    const total = (totals.get(cluster) ?? 0) + weight
    totals.set(cluster, total)
    if (total > WHOLE) throw invalid('total weight needs to be <= 100')
  }
}

function invalid(text: string): PetioleError {
  return new PetioleError('PETIOLE_MAPPING_INVALID', text)
}
