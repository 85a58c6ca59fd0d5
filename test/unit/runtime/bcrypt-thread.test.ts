import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { BcryptThread, SystemClock } from '../../../shared/runtime/index.ts'

const COST = 4

describe('BcryptThread', () => {
  it('tells right from wrong for every revision, and for what is no hash', async () => {
    const thread = new BcryptThread(new SystemClock())
    const hash = hashSync('secret', COST)
    for (const revision of ['2a', '2b', '2x', '2y']) {
      const revised = `$${revision}${hash.slice(3)}`
      assert.equal(await thread.matches('secret', revised), true, revision)
      assert.equal(await thread.matches('Secret', revised), false, revision)
    }
    for (const broken of ['', '$2b$', `${hash}x`, hash.slice(0, -1), '$2b$99$abc', 'secret']) {
      assert.equal(await thread.matches('secret', broken), false, broken)
    }
    thread.close()
  })

  it('leaves the event loop alone while it works', async () => {
    const thread = new BcryptThread(new SystemClock())
    const hash = hashSync('secret', COST)
    await thread.matches('secret', hash)
    let turns = 0
    let isDone = false
    const slow = hash.replace('$04$', '$10$')
    const answer = thread.matches('secret', slow).finally(() => {
      isDone = true
    })
    while (!isDone) {
      await new Promise(setImmediate)
      turns++
    }
    assert.equal(await answer, false)
    assert.ok(turns > 10, `${turns} turns of the loop`)
    thread.close()
  })

  it('refuses whoever waits when it is closed, and starts again for the next', async () => {
    const thread = new BcryptThread(new SystemClock())
    const hash = hashSync('secret', COST)
    const waiting = thread.matches('secret', hash.replace('$04$', '$14$'))
    thread.close()
    assert.equal(await waiting, false)
    assert.equal(await thread.matches('secret', hash), true)
    thread.close()
  })

  it('refuses those who would wait too long', async () => {
    const thread = new BcryptThread(new SystemClock())
    const hash = hashSync('secret', COST)
    const many = Array.from({ length: 400 }, () => thread.matches('secret', hash))
    assert.equal(await Promise.race([many[399], thread.matches('secret', hash)]), false)
    thread.close()
    await Promise.all(many)
  })
})
