import { createHash } from 'node:crypto'
import type { BlockNode, ConfigNode } from './tree.ts'

/**
 * What a file says, as nats-server's `-t` and `/varz` show it: SHA-256 of its values as Go's encoding/json
 * writes them, keys sorted. Comments and spelling do not count.
 */
export function configDigest(tree: BlockNode): string {
  return `sha256:${createHash('sha256')
    .update(`${encoded(tree)}\n`)
    .digest('hex')}`
}

function encoded(node: ConfigNode): string {
  switch (node.kind) {
    case 'block': {
      const entries = node.entries.toSorted((a, b) =>
        Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)),
      )
      return `{${entries.map(({ key, value }) => `${text(key)}:${encoded(value)}`).join(',')}}`
    }
    case 'list':
      return `[${node.items.map(encoded).join(',')}]`
    case 'string':
      return text(node.value)
    default:
      return String(node.value)
  }
}

/** Go escapes what a browser could take for markup. */
function text(value: string): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
