/**
 * Whether one of very many filters matches a subject that lies in bytes: asked of each message, and of each
 * subject of a stream, so no string is made.
 *
 * One node per token. Its literal children are found by their bytes, three in each step, which makes keys
 * that are small integers and differ where the bytes do:
 *
 *   sensor    sen ──▶ sor + 3 << 24        the last step of a token has its length in the key
 */
import { isValidSubject } from './subject.ts'

const DOT = 46
const STEP_BYTES = 3
const LENGTH_SHIFT = 24

export class FilterTrie {
  readonly #root = new Node()

  /** What is not valid matches nothing. */
  add(filter: string): void {
    if (!isValidSubject(filter)) return
    let node = this.#root
    for (const token of filter.split('.')) {
      if (token === '>') {
        node.isMore = true
        return
      }
      node = token === '*' ? node.toOne() : node.toLiteral(Buffer.from(token))
    }
    node.isEnd = true
  }

  /** Whether one of them matches the literal subject in bytes [start, end). */
  matches(bytes: Uint8Array, start: number, end: number): boolean {
    return start < end && matchesFrom(this.#root, bytes, start, end)
  }
}

function matchesFrom(from: Node, bytes: Uint8Array, start: number, end: number): boolean {
  let node = from
  let at = start
  for (;;) {
    if (node.isMore) return true
    let dot = at
    while (dot < end && bytes[dot] !== DOT) dot++
    if (dot === at) return false
    const literal = node.literal(bytes, at, dot)
    const { one } = node
    if (dot === end) return literal?.isEnd === true || one?.isEnd === true
    at = dot + 1
    if (literal !== undefined && one !== undefined) {
      if (matchesFrom(literal, bytes, at, end)) return true
      node = one
    } else {
      const next = literal ?? one
      if (next === undefined) return false
      node = next
    }
  }
}

class Node {
  /** Whether a filter ends here, and one with a `>` behind this. */
  isEnd = false
  isMore = false
  one: Node | undefined
  /** Most have one step only: it is kept here, and a map is made for more. */
  #key = -1
  #only: Node | undefined
  #steps: Map<number, Node> | undefined

  literal(bytes: Uint8Array, from: number, end: number): Node | undefined {
    let node: Node | undefined = this
    let at = from
    for (; end - at > STEP_BYTES && node !== undefined; at += STEP_BYTES) {
      node = node.#step(keyAt(bytes, at, at + STEP_BYTES))
    }
    return node === undefined ? undefined : node.#step(lastKeyAt(bytes, at, end))
  }

  toOne(): Node {
    this.one ??= new Node()
    return this.one
  }

  toLiteral(token: Uint8Array): Node {
    let node: Node = this
    let at = 0
    for (; token.length - at > STEP_BYTES; at += STEP_BYTES) {
      node = node.#toStep(keyAt(token, at, at + STEP_BYTES))
    }
    return node.#toStep(lastKeyAt(token, at, token.length))
  }

  #step(key: number): Node | undefined {
    if (this.#steps !== undefined) return this.#steps.get(key)
    return this.#key === key ? this.#only : undefined
  }

  #toStep(key: number): Node {
    const existing = this.#step(key)
    if (existing !== undefined) return existing
    const made = new Node()
    if (this.#steps !== undefined) this.#steps.set(key, made)
    else if (this.#only === undefined) {
      this.#key = key
      this.#only = made
    } else {
      this.#steps = new Map([
        [this.#key, this.#only],
        [key, made],
      ])
      this.#only = undefined
    }
    return made
  }
}

function keyAt(bytes: Uint8Array, from: number, end: number): number {
  let key = 0
  for (let at = from; at < end; at++) key = (key << 8) | (bytes[at] as number)
  return key
}

function lastKeyAt(bytes: Uint8Array, from: number, end: number): number {
  return keyAt(bytes, from, end) | ((end - from) << LENGTH_SHIFT)
}
