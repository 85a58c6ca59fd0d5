import type { Position } from './problem.ts'

/**
 * A configuration as it was written: every key and value with its place. The parser makes
 * `WrittenNode`s, in which variables and includes still stand; `resolve` makes `ConfigNode`s.
 */
export type ConfigNode = ScalarNode | ListNode | BlockNode

export type ScalarNode = StringNode | IntegerNode | FloatNode | BooleanNode

export interface StringNode {
  readonly kind: 'string'
  readonly value: string
  readonly position: Position | undefined
}

export interface IntegerNode {
  readonly kind: 'integer'
  readonly value: number
  /** As written, with its suffix: a duration reads `5m` as five minutes, a size as five million. */
  readonly text: string
  readonly position: Position | undefined
}

export interface FloatNode {
  readonly kind: 'float'
  readonly value: number
  readonly position: Position | undefined
}

export interface BooleanNode {
  readonly kind: 'boolean'
  readonly value: boolean
  readonly position: Position | undefined
}

export interface ListNode {
  readonly kind: 'list'
  readonly items: readonly ConfigNode[]
  readonly position: Position | undefined
}

export interface BlockNode {
  readonly kind: 'block'
  readonly entries: readonly ConfigEntry[]
  readonly position: Position | undefined
}

export interface ConfigEntry {
  readonly key: string
  readonly value: ConfigNode
  /** Of the key. */
  readonly position: Position | undefined
  /** Some `$key` refers to it: then it may be any key, as in nats-server. */
  readonly isVariable: boolean
}

export type WrittenNode =
  | ScalarNode
  | { readonly kind: 'variable'; readonly name: string; readonly position: Position }
  | { readonly kind: 'list'; readonly items: readonly WrittenNode[]; readonly position: Position }
  | WrittenBlock

export interface WrittenBlock {
  readonly kind: 'block'
  readonly statements: readonly Statement[]
  readonly position: Position
}

export type Statement =
  | {
      readonly kind: 'entry'
      readonly key: string
      readonly value: WrittenNode
      readonly position: Position
    }
  | { readonly kind: 'include'; readonly path: string; readonly position: Position }

/** An object given by a program as a tree; `position` stands for all of it. */
export function treeOf(value: unknown, position?: Position): ConfigNode | undefined {
  switch (typeof value) {
    case 'string':
      return { kind: 'string', value, position }
    case 'boolean':
      return { kind: 'boolean', value, position }
    case 'number':
      return Number.isInteger(value)
        ? { kind: 'integer', value, text: String(value), position }
        : { kind: 'float', value, position }
    case 'object':
      return value === null ? undefined : compoundOf(value, position)
    default:
      return undefined
  }
}

function compoundOf(value: object, position: Position | undefined): ConfigNode {
  if (Array.isArray(value)) {
    const items = value.map((item) => treeOf(item, position)).filter((item) => item !== undefined)
    return { kind: 'list', items, position }
  }
  const entries: ConfigEntry[] = []
  for (const [key, inner] of Object.entries(value)) {
    const node = treeOf(inner, position)
    if (node !== undefined) entries.push({ key, value: node, position, isVariable: false })
  }
  return { kind: 'block', entries, position }
}
