import assert from 'node:assert/strict'
import { LocalClient } from '../../../shared/client/index.ts'
import { SystemRandom } from '../../../shared/runtime/index.ts'
import { BATCH_BYTES_MAX, helloSubject, SYNC_QUEUE } from '../../../shared/sync/index.ts'
import { eventually, LinkNode, reached } from '../../support/link-node.ts'

describe('local clients over a leaf link', () => {
  it('ask a queue group at the hub, and see it come and go with the link', async () => {
    const hub = new LinkNode('hub')
    const leaf = new LinkNode('leaf')
    try {
      const port = await hub.listen('websocket')
      const service = new LocalClient(hub.space$G, hub.nextPeerId(), hub.clock, new SystemRandom())
      const client = new LocalClient(
        leaf.space$G,
        leaf.nextPeerId(),
        leaf.clock,
        new SystemRandom(),
      )
      const subject = helloSubject('')
      const stop = service.subscribe(
        subject,
        ({ payload, reply, origin }) => {
          assert.equal(origin?.kind, 'leaf')
          service.publish(reply, Buffer.from(`${payload.length}`))
        },
        { queue: SYNC_QUEUE },
      )
      assert.equal(client.hasInterest(subject), false)
      const seen: boolean[] = []
      client.onInterest('$FLEET.SYNC.>', () => seen.push(client.hasInterest(subject)))
      await reached(leaf.dial(`ws://127.0.0.1:${port}`), 'up')
      await eventually(() => seen.at(-1) === true, 'interest of the hub')
      const batch = Buffer.alloc(BATCH_BYTES_MAX)
      const answers = await Promise.all(
        [1, 2, 3].map(() => client.request(subject, batch, { deadlineMs: 5_000 })),
      )
      assert.deepEqual(
        answers.map(({ payload }) => Number(Buffer.from(payload).toString())),
        Array(3).fill(BATCH_BYTES_MAX),
      )
      stop()
      await eventually(() => seen.at(-1) === false, 'interest is gone')
      await assert.rejects(client.request(subject, batch, { deadlineMs: 5_000 }), {
        code: 'PETIOLE_NO_RESPONDERS',
      })
    } finally {
      await leaf.close()
      await hub.close()
    }
  })
})
