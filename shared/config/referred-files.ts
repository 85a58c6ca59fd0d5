import type { Disk } from '../runtime/index.ts'
import { reasonOf } from './files.ts'
import type { Problem } from './problem.ts'
import type { BlockNode, ConfigEntry, ConfigNode } from './tree.ts'

/** The keys whose values are names of files with the operator's JWT, or that JWT itself. */
const OPERATOR_KEY = /^(operators?|roots?|root_operators?)$/i
const CERTIFICATE_KEY = /^(cert_file|key_file|prev_key_file|ca_file)$/i

interface Referred {
  readonly tree: BlockNode
  readonly problems: readonly Problem[]
}

/**
 * Looks at the files that a configuration names: certificates must be there, and the operator's JWTs are
 * put in the place of their files. What follows reads no files.
 */
export async function withReferredFiles(disk: Disk, tree: BlockNode): Promise<Referred> {
  const reader = new ReferredFiles(disk)
  return { tree: await reader.block(tree, ''), problems: reader.problems }
}

class ReferredFiles {
  readonly problems: Problem[] = []
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async block(node: BlockNode, path: string): Promise<BlockNode> {
    const entries: ConfigEntry[] = []
    for (const entry of node.entries) {
      const inner = path === '' ? entry.key : `${path}.${entry.key}`
      entries.push({ ...entry, value: await this.#value(entry.key, entry.value, inner) })
    }
    return { ...node, entries }
  }

  async #value(key: string, node: ConfigNode, path: string): Promise<ConfigNode> {
    switch (node.kind) {
      case 'block':
        return this.block(node, path)
      case 'list': {
        const items: ConfigNode[] = []
        for (const [i, item] of node.items.entries()) {
          items.push(await this.#value(key, item, `${path}[${i}]`))
        }
        return { ...node, items }
      }
      case 'string': {
        const isOperator = OPERATOR_KEY.test(key) && path.replace(/\[\d+\]$/, '') === key
        if (isOperator && !isJwt(node.value)) {
          return { ...node, value: await this.#read(node.value, node, path) }
        }
        if (CERTIFICATE_KEY.test(key) && node.value !== '') {
          await this.#read(node.value, node, path)
        }
        return node
      }
      default:
        return node
    }
  }

  /** '' for what cannot be read, which is a problem. */
  async #read(file: string, node: ConfigNode, path: string): Promise<string> {
    try {
      return new TextDecoder().decode(await this.#disk.readFile(file))
    } catch (error) {
      const message = `cannot read ${file}: ${reasonOf(error)}`
      this.problems.push({ position: node.position, path, message })
      return ''
    }
  }
}

function isJwt(text: string): boolean {
  return text.trimStart().startsWith('eyJ') || text.includes('-----BEGIN')
}
