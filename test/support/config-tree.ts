import type { WrittenNode } from '../../shared/config/tree.ts'

/** A parsed configuration as plain data, without places: for comparing. */
export function bareTree(node: WrittenNode): unknown {
  switch (node.kind) {
    case 'block':
      return Object.fromEntries(
        node.statements.map((statement) =>
          statement.kind === 'entry'
            ? [statement.key, bareTree(statement.value)]
            : ['include', statement.path],
        ),
      )
    case 'list':
      return node.items.map(bareTree)
    case 'variable':
      return `$${node.name}`
    default:
      return node.value
  }
}
