import assert from 'node:assert/strict'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'

describe('link: hub and leaf', () => {
  let nodes: LinkNode[] = []
  const node = (...args: ConstructorParameters<typeof LinkNode>): LinkNode => {
    const it = new LinkNode(...args)
    nodes.push(it)
    return it
  }

  afterEach(async () => {
    for (const it of nodes) await it.close()
    nodes = []
  })

  for (const protocol of ['tcp', 'websocket'] as const) {
    it(`carries messages both ways by interest over ${protocol}`, async () => {
      const hub = node('hub')
      const port = await hub.listen(protocol)
      const leaf = node('leaf')
      const early = hub.subscriber('up.>')
      const scheme = protocol === 'tcp' ? 'nats-leaf' : 'ws'
      const uplink = leaf.dial(`${scheme}://127.0.0.1:${port}`)
      await reached(uplink, 'up')
      const late = leaf.subscriber('down.*')
      await Promise.all([leaf.linkInterest('up.>'), hub.linkInterest('down.*')])

      leaf.publish('up.a.b', 'from leaf', 'inbox.1')
      hub.publish('down.x', 'from hub')
      hub.publish('nobody', 'wants this')
      await eventually(() => early.got.length === 1 && late.got.length === 1, 'both delivered')
      assert.deepEqual(
        {
          subject: early.got[0]!.subject,
          reply: early.got[0]!.reply,
          payload: early.got[0]!.payload,
        },
        { subject: 'up.a.b', reply: 'inbox.1', payload: 'from leaf' },
      )
      assert.equal(late.got[0]!.payload, 'from hub')
    })
  }
})
