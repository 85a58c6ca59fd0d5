import assert from 'node:assert/strict'
import { SendWindow } from '../../../bridge-mqtt/send-window.ts'

describe('send window', () => {
  it('gives identifiers in turn, as many at a time as the client takes', () => {
    const window = new SendWindow(2)
    assert.deepEqual([window.take(), window.take(), window.take()], [1, 2, 0])
    assert.equal(window.release(1), true)
    assert.equal(window.release(1), false)
    assert.equal(window.take(), 3)
    assert.equal(window.inflight, 2)
  })

  it('begins again behind the last identifier and passes over those in use', () => {
    const window = new SendWindow(65_535)
    window.reserve(65_534)
    window.reserve(1)
    assert.deepEqual([window.take(), window.take(), window.take()], [65_535, 2, 3])
  })

  it('never gives one twice, even when all are in use', () => {
    const window = new SendWindow(70_000)
    const ids = new Set<number>()
    for (let i = 0; i < 65_535; i++) ids.add(window.take())
    assert.equal(ids.size, 65_535)
    assert.equal(ids.has(0), false)
    assert.equal(window.take(), 0)
  })

  it('sends nothing to a client that takes less than is in flight', () => {
    const window = new SendWindow(3)
    window.take()
    window.take()
    window.max = 1
    assert.equal(window.hasRoom, false)
    window.release(1)
    assert.equal(window.take(), 0)
    window.release(2)
    assert.equal(window.take(), 3)
  })
})
