/**
 * Many subjects with wildcards, held against one: whether any overlaps it, or covers it. The answers are
 * those of `overlaps` and `subsetOf` for each pair, also for subjects that are not valid ones.
 *
 * One node per token. A question passes a node for each of its tokens, and those of every branch that a
 * wildcard opens: few among what people write, but all there are where somebody lays wildcards out for it.
 */
export class SubjectPatterns {
  /** Nodes that all questions so far have passed off their straight way: for the caller to bound. */
  detours = 0
  readonly #root = new Node()
  /** How often each is in; they have no nodes before something with wildcards is held against them. */
  #literals = new Map<string, number>()
  #isPlanted = false
  #hasNodes = false
  /** Of what was asked last: it is added next, mostly. */
  #pattern = ''
  #tokens: readonly string[] = ['']

  constructor(patterns: Iterable<string> = []) {
    for (const pattern of patterns) this.add(pattern)
  }

  add(pattern: string): void {
    if (isOpen(pattern)) this.#plant(pattern, 1)
    else {
      this.#literals.set(pattern, (this.#literals.get(pattern) ?? 0) + 1)
      if (this.#isPlanted) this.#plant(pattern, 1)
    }
  }

  /** Whether some literal subject matches both this pattern and one that is in. */
  overlaps(pattern: string): boolean {
    if (!isOpen(pattern)) return this.#literals.has(pattern) || this.#isUnder(pattern)
    this.#plantLiterals()
    return this.#search(this.#tokensOf(pattern), undefined, passOverlapping)
  }

  /** The same for a pattern that is in, and the others that are: its duplicates too. */
  overlapsAnother(pattern: string): boolean {
    if (!isOpen(pattern)) return this.#isLiteralTwice(pattern) || this.#isUnder(pattern)
    this.#plantLiterals()
    const tokens = this.#tokensOf(pattern)
    return this.#isTwice(tokens) || this.#search(tokens, this.#find(tokens), passOverlapping)
  }

  /** Whether all that a pattern that is in matches is matched by another that is: a duplicate too. */
  isCoveredByAnother(pattern: string): boolean {
    if (!isOpen(pattern)) return this.#isLiteralTwice(pattern) || this.#isUnder(pattern)
    // What is literal covers none that is not.
    const tokens = this.#tokensOf(pattern)
    return this.#isTwice(tokens) || this.#search(tokens, this.#find(tokens), passCovering)
  }

  #isLiteralTwice(literal: string): boolean {
    return (this.#literals.get(literal) ?? 0) > 1
  }

  /** Whether a literal is matched by something with wildcards. */
  #isUnder(literal: string): boolean {
    if (!this.#hasNodes) return false
    const tokens = this.#tokensOf(literal)
    const own = this.#isPlanted ? this.#find(tokens) : undefined
    return this.#search(tokens, own, passCovering)
  }

  #plantLiterals(): void {
    if (this.#isPlanted) return
    this.#isPlanted = true
    for (const [literal, count] of this.#literals) this.#plant(literal, count)
  }

  #plant(pattern: string, count: number): void {
    this.#hasNodes = true
    let node = this.#root
    for (const token of this.#tokensOf(pattern)) node = node.child(token)
    node.count += count
  }

  #tokensOf(pattern: string): readonly string[] {
    if (pattern !== this.#pattern) {
      this.#pattern = pattern
      this.#tokens = tokensOf(pattern)
    }
    return this.#tokens
  }

  #isTwice(tokens: readonly string[]): boolean {
    return (this.#find(tokens)?.count ?? 0) > 1
  }

  #find(tokens: readonly string[]): Node | undefined {
    let node: Node | undefined = this.#root
    for (const token of tokens) node = node?.find(token)
    return node
  }

  /** Branches wait on a stack of its own: there may be as many tokens as a message has room for. */
  #search(tokens: readonly string[], own: Node | undefined, pass: Pass): boolean {
    const branches: Branch[] = []
    let branch: Branch | undefined = { node: this.#root, depth: 0 }
    for (; branch !== undefined; branch = branches.pop()) {
      let node: Node | undefined = branch.node
      const isDetour = node !== this.#root
      for (let i = branch.depth; node !== undefined && i <= tokens.length; i++) {
        if (isDetour) this.detours++
        const token = tokens[i]
        if (token === undefined) {
          if (node.count > 0 && node !== own) return true
          break
        }
        // Either `>` matches whatever is behind: at least one token, as both have one here.
        if (node.more !== undefined && node.more !== own) return true
        if (token === '>') {
          if (pass === passOverlapping && node.hasTokens) return true
          break
        }
        node = pass(node, token, i + 1, branches)
      }
    }
    return false
  }
}

interface Branch {
  readonly node: Node
  readonly depth: number
}

/** Where a token other than `>` leads on; further ways are put on the stack. */
type Pass = (node: Node, token: string, depth: number, branches: Branch[]) => Node | undefined

const passOverlapping: Pass = (node, token, depth, branches) => {
  if (token !== '*') return passCovering(node, token, depth, branches)
  let straight = node.one
  for (const literal of node.literals()) {
    if (straight === undefined) straight = literal
    else branches.push({ node: literal, depth })
  }
  return straight
}

const passCovering: Pass = (node, token, depth, branches) => {
  const literal = token === '*' ? undefined : node.literal(token)
  if (node.one === undefined) return literal
  if (literal !== undefined) branches.push({ node: literal, depth })
  return node.one
}

class Node {
  /** Patterns that end here. */
  count = 0
  one: Node | undefined
  more: Node | undefined
  /** Most nodes lead to one literal only: it is kept here, and a map is made for more. */
  #token = ''
  #only: Node | undefined
  #literals: Map<string, Node> | undefined

  /** Whether patterns go on here with a token other than `>`. */
  get hasTokens(): boolean {
    return this.one !== undefined || this.#only !== undefined || this.#literals !== undefined
  }

  find(token: string): Node | undefined {
    if (token === '*') return this.one
    return token === '>' ? this.more : this.literal(token)
  }

  literal(token: string): Node | undefined {
    if (this.#literals !== undefined) return this.#literals.get(token)
    return this.#token === token ? this.#only : undefined
  }

  literals(): Iterable<Node> {
    if (this.#literals !== undefined) return this.#literals.values()
    return this.#only === undefined ? [] : [this.#only]
  }

  child(token: string): Node {
    const existing = this.find(token)
    if (existing !== undefined) return existing
    const made = new Node()
    if (token === '*') this.one = made
    else if (token === '>') this.more = made
    else this.#addLiteral(token, made)
    return made
  }

  #addLiteral(token: string, made: Node): void {
    if (this.#literals !== undefined) this.#literals.set(token, made)
    else if (this.#only === undefined) {
      this.#token = token
      this.#only = made
    } else {
      this.#literals = new Map([
        [this.#token, this.#only],
        [token, made],
      ])
      this.#only = undefined
    }
  }
}

/** Whether it may have a wildcard: in a token of more characters it means nothing, and does no harm here. */
function isOpen(pattern: string): boolean {
  return pattern.includes('*') || pattern.includes('>')
}

/** Nothing behind a `>` is looked at: no rule does, though a subject that is not valid may have it. */
function tokensOf(pattern: string): readonly string[] {
  const tokens = pattern.split('.')
  const more = tokens.indexOf('>')
  return more === -1 ? tokens : tokens.slice(0, more + 1)
}
