import assert from 'node:assert/strict'
import { Leaf } from '../../../leaf/index.ts'
import { parseConfig } from '../../../shared/config/index.ts'
import { silentLog } from '../../../shared/log/index.ts'
import { systemMachine } from '../../../shared/server/index.ts'
import { LinkNode, reached } from '../../support/link-node.ts'

describe('server: links', () => {
  for (const how of ['drain', 'destroy'] as const) {
    it(`dial no remote of a reload that the server's ${how} comes into`, async () => {
      const [before, after] = [new LinkNode('before'), new LinkNode('after')]
      const configOf = (port: number) =>
        parseConfig(
          {
            server_name: 'leaf',
            listen: '127.0.0.1:0',
            leafnodes: { remotes: [{ url: `nats-leaf://127.0.0.1:${port}` }] },
          },
          'leaf',
        )
      const first = configOf(await before.listen())
      const second = configOf(await after.listen())
      const machine = systemMachine(silentLog)
      const options = { machine, log: silentLog, version: '0.1.0', frontDoors: [] }
      const leaf = await Leaf.start({ ...options, config: first })
      try {
        const { links } = leaf.core
        const [old] = links.uplinks
        assert.ok(old !== undefined)
        await reached(old, 'up')
        const exchanged = links.exchangeRemotes(second.leafnodes.remotes, {})
        await links[how]('the server stops')
        await exchanged
        const states = [old, ...links.uplinks].map(({ state }) => state.name)
        assert.deepEqual([...new Set(states)], ['stopped'])
      } finally {
        await leaf.destroy()
        await before.close()
        await after.close()
      }
    })
  }
})
