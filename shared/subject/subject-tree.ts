/**
 * Values under subjects with wildcards: the interest of an account, or what binds a subject.
 *
 * One node per token; `*` and `>` are slots beside the literal children, because a lookup asks for
 * them at every level. Matching costs the number of nodes on the way, not the number of values.
 * Empty branches are pruned at once, so that one-shot inboxes leave nothing behind.
 */
export class SubjectTree<T> {
  /** Nodes that the last lookup looked at: what it cost. */
  visited = 0
  readonly #root = new Node<T>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a value under a valid subject; false when it is there already. */
  add(subject: string, value: T): boolean {
    let node = this.#root
    for (const token of subject.split('.')) node = node.child(token)
    if (!node.add(value)) return false
    this.#size++
    return true
  }

  /** Removes a value; false when it was not there. */
  remove(subject: string, value: T): boolean {
    const tokens = subject.split('.')
    const path: Node<T>[] = [this.#root]
    let node: Node<T> | undefined = this.#root
    for (const token of tokens) {
      node = node.find(token)
      if (node === undefined) return false
      path.push(node)
    }
    if (!node.delete(value)) return false
    this.#size--
    for (let depth = tokens.length; depth > 0; depth--) {
      if (!path[depth]?.isEmpty()) break
      path[depth - 1]?.drop(tokens[depth - 1] ?? '')
    }
    return true
  }

  /** Everything under subjects that match the literal `subject`; each value once per subject it is under. */
  match(subject: string): T[] {
    const found: T[] = []
    visits = 0
    // What nats-server does with an empty token: it matches nothing, not even `*`.
    if (subject === '') return found
    const tokens = subject.split('.')
    if (tokens.includes('')) return found
    collect(this.#root, tokens, 0, found)
    this.visited = visits
    return found
  }

  /**
   * Everything under subjects that some literal subject matches as well as this pattern; undefined when
   * more nodes than that would have to be looked at.
   */
  overlapping(pattern: string, visitsMax: number): T[] | undefined {
    const found: T[] = []
    visits = 0
    const isComplete = collectOverlapping(this.#root, pattern.split('.'), visitsMax, found)
    this.visited = visits
    return isComplete ? found : undefined
  }

  /**
   * What matches the prefix with so many tokens behind it, whatever they are; undefined when it depends on
   * them. So one answer does for all the inboxes of a client, or all acknowledgements of a consumer.
   */
  matchAnyEnd(prefix: string, tokensBehind: number): T[] | undefined {
    const found: T[] = []
    visits = 0
    const tokens = prefix.split('.')
    if (tokens.includes('')) return found
    const isKnown = collectAnyEnd(this.#root, tokens, 0, tokensBehind, found)
    this.visited = visits
    return isKnown ? found : undefined
  }
}

/** Of the lookup that is going on. */
let visits = 0

/** Literal tokens at the end of a prefix that are looked through for values. */
const LITERALS_LOOKED_AT = 16

/**
 * Most nodes of a large tree are the ends of subjects with one value, or have one literal child on the way to
 * such an end: both are kept in the node itself, and a set or a map is made for more, which then holds all.
 * Values must not be undefined.
 */
class Node<T> {
  #only: T | undefined
  #values: Set<T> | undefined
  #literalToken = ''
  /** Under `#literalToken`; undefined when there is none, or more than one. */
  #literalNode: Node<T> | undefined
  #literals: Map<string, Node<T>> | undefined
  one: Node<T> | undefined
  more: Node<T> | undefined

  get hasValues(): boolean {
    return this.#only !== undefined || this.#values !== undefined
  }

  add(value: T): boolean {
    if (this.#values !== undefined) {
      const { size } = this.#values
      return this.#values.add(value).size > size
    }
    if (this.#only === value) return false
    if (this.#only === undefined) this.#only = value
    else {
      this.#values = new Set([this.#only, value])
      this.#only = undefined
    }
    return true
  }

  delete(value: T): boolean {
    if (this.#values !== undefined) {
      if (!this.#values.delete(value)) return false
      if (this.#values.size > 1) return true
      for (const last of this.#values) this.#only = last
      this.#values = undefined
      return true
    }
    if (this.#only !== value) return false
    this.#only = undefined
    return true
  }

  pushTo(found: T[]): void {
    if (this.#only !== undefined) found.push(this.#only)
    else if (this.#values !== undefined) for (const value of this.#values) found.push(value)
  }

  find(token: string): Node<T> | undefined {
    if (token === '*') return this.one
    if (token === '>') return this.more
    return this.literal(token)
  }

  literal(token: string): Node<T> | undefined {
    if (this.#literals !== undefined) return this.#literals.get(token)
    return this.#literalToken === token ? this.#literalNode : undefined
  }

  /**
   * Whether a message on some literal child, or with more tokens behind it on what is below one, would reach
   * more than one on the others.
   */
  hasLiteralValues(isLast: boolean): boolean {
    if (this.#literalNode !== undefined) return !isLast || this.#literalNode.hasValues
    if (this.#literals === undefined) return false
    if (!isLast || this.#literals.size > LITERALS_LOOKED_AT) return true
    for (const node of this.#literals.values()) if (node.hasValues) return true
    return false
  }

  /** All nodes right below it, but for that of `>`. */
  pushTokensTo(nodes: Node<T>[]): void {
    if (this.one !== undefined) nodes.push(this.one)
    if (this.#literalNode !== undefined) nodes.push(this.#literalNode)
    if (this.#literals !== undefined) for (const node of this.#literals.values()) nodes.push(node)
  }

  child(token: string): Node<T> {
    const existing = this.find(token)
    if (existing !== undefined) return existing
    const made = new Node<T>()
    if (token === '*') this.one = made
    else if (token === '>') this.more = made
    else this.#setLiteral(token, made)
    return made
  }

  drop(token: string): void {
    if (token === '*') this.one = undefined
    else if (token === '>') this.more = undefined
    else if (this.#literals === undefined) {
      if (this.#literalToken === token) this.#literalNode = undefined
    } else if (this.#literals.delete(token) && this.#literals.size === 0) this.#literals = undefined
  }

  isEmpty(): boolean {
    return (
      !this.hasValues &&
      this.#literalNode === undefined &&
      this.#literals === undefined &&
      this.one === undefined &&
      this.more === undefined
    )
  }

  #setLiteral(token: string, node: Node<T>): void {
    if (this.#literals !== undefined) this.#literals.set(token, node)
    else if (this.#literalNode === undefined) {
      this.#literalToken = token
      this.#literalNode = node
    } else {
      this.#literals = new Map([
        [this.#literalToken, this.#literalNode],
        [token, node],
      ])
      this.#literalNode = undefined
    }
  }
}

function collect<T>(from: Node<T>, tokens: readonly string[], depth: number, found: T[]): void {
  let node = from
  for (let i = depth; i < tokens.length; i++) {
    visits++
    node.more?.pushTo(found)
    const literal = node.literal(tokens[i] ?? '')
    if (node.one !== undefined) {
      if (literal !== undefined) collect(literal, tokens, i + 1, found)
      node = node.one
    } else if (literal !== undefined) node = literal
    else return
  }
  node.pushTo(found)
}

/** Level by level: there may be as many tokens as a message has room for. False when it is given up. */
function collectOverlapping<T>(
  root: Node<T>,
  tokens: readonly string[],
  visitsMax: number,
  found: T[],
): boolean {
  let level = [root]
  for (let depth = 0; level.length > 0; depth++) {
    visits += level.length
    if (visits > visitsMax) return false
    const token = tokens[Math.min(depth, tokens.length - 1)] ?? ''
    const isMore = token === '>'
    const isEnd = depth >= tokens.length
    const below: Node<T>[] = []
    for (const node of level) {
      // Behind the token of `>` values of any depth are met, before it only those that end with it.
      if (isEnd) node.pushTo(found)
      if (isEnd && !isMore) continue
      // Either `>` matches whatever is behind: at least one token, as both have one here.
      node.more?.pushTo(found)
      if (isMore || token === '*') node.pushTokensTo(below)
      else {
        const literal = node.literal(token)
        if (literal !== undefined) below.push(literal)
        if (node.one !== undefined) below.push(node.one)
      }
    }
    level = below
  }
  return true
}

/** False when literal children behind the tokens have values of their own. */
function collectAnyEnd<T>(
  node: Node<T>,
  tokens: readonly string[],
  depth: number,
  behind: number,
  found: T[],
): boolean {
  visits++
  const token = tokens[depth]
  if (token === undefined && behind === 0) {
    node.pushTo(found)
    return true
  }
  node.more?.pushTo(found)
  if (token === undefined) {
    if (node.hasLiteralValues(behind === 1)) return false
    return node.one === undefined || collectAnyEnd(node.one, tokens, depth, behind - 1, found)
  }
  for (const next of [node.literal(token), node.one]) {
    if (next !== undefined && !collectAnyEnd(next, tokens, depth + 1, behind, found)) return false
  }
  return true
}
