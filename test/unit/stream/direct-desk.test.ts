import assert from 'node:assert/strict'
import type { ApiRequest } from '../../../shared/stream/api/api-context.ts'
import { DirectDesk } from '../../../shared/stream/api/direct-desk.ts'
import {
  DIRECT_ACTIVE_MAX,
  DIRECT_WAITING_BYTES_MAX,
  DIRECT_WAITING_MAX,
} from '../../../shared/stream/limits.ts'

describe('direct gets of an account', () => {
  let begun: string[]
  let refused: string[]
  let ends: (() => void)[]
  let desk: DirectDesk

  beforeEach(() => {
    begun = []
    refused = []
    ends = []
    desk = new DirectDesk({
      serve: ({ message }) => {
        begun.push(message.reply)
        return new Promise((resolve) => ends.push(resolve))
      },
      refuse: ({ message }) => refused.push(message.reply),
    })
  })

  const ask = (reply: string, bytes = 0): void => {
    const payload = new Uint8Array(bytes)
    const message = { subject: '', reply, headers: new Uint8Array(0), payload }
    const request: ApiRequest = { args: [], message, isStrict: false, headers: [] }
    desk.ask(request)
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  it('are served so many at a time, the others in their order, and what is beyond is refused', async () => {
    const total = DIRECT_ACTIVE_MAX + DIRECT_WAITING_MAX
    for (let i = 0; i < total + 2; i++) ask(String(i))
    assert.equal(begun.length, DIRECT_ACTIVE_MAX)
    assert.deepEqual(refused, [String(total), String(total + 1)])
    while (ends.length > 0) {
      for (const end of ends.splice(0)) end()
      await turn()
      assert.ok(ends.length <= DIRECT_ACTIVE_MAX)
    }
    assert.deepEqual(
      begun,
      Array.from({ length: total }, (_, i) => String(i)),
    )
    ask('later')
    assert.equal(begun.at(-1), 'later')
  })

  it('hold so much while they wait', async () => {
    for (let i = 0; i < DIRECT_ACTIVE_MAX; i++) ask('active', DIRECT_WAITING_BYTES_MAX)
    ask('large', DIRECT_WAITING_BYTES_MAX)
    ask('beyond', 1)
    assert.deepEqual(refused, ['beyond'])
    ends.shift()?.()
    await turn()
    assert.equal(begun.at(-1), 'large')
    ask('within', 1)
    assert.deepEqual(refused, ['beyond'])
  })
})
