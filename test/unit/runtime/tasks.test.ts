import assert from 'node:assert/strict'
import { codeOf, invariant, messageOf, PetioleError, Tasks } from '../../../shared/runtime/index.ts'

describe('tasks', () => {
  const failures: [string, string][] = []
  let tasks: Tasks

  beforeEach(() => {
    failures.length = 0
    tasks = new Tasks((name, error) => failures.push([name, messageOf(error)]))
  })

  it('drain waits for what runs, and for what that starts', async () => {
    const done: string[] = []
    tasks.run('first', async () => {
      await null
      tasks.run('second', async () => {
        await null
        done.push('second')
      })
      done.push('first')
    })
    assert.deepEqual(tasks.names, ['first'])
    await tasks.drain()
    assert.deepEqual(done, ['first', 'second'])
    assert.deepEqual(tasks.names, [])
  })

  it('reports a rejection with the name, and a synchronous throw too', async () => {
    tasks.run('flush', async () => {
      await null
      throw new Error('no space')
    })
    tasks.run('parse', async () => {
      throw new Error('no sense')
    })
    await tasks.drain()
    assert.deepEqual(failures.sort(), [
      ['flush', 'no space'],
      ['parse', 'no sense'],
    ])
  })

  it('destroy aborts, waits, reports nothing, and refuses new work', async () => {
    tasks.run('poll', async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      throw new Error('aborted')
    })
    await tasks.destroy()
    await tasks.destroy()
    assert.deepEqual(failures, [])
    assert.throws(() => tasks.run('late', async () => {}), { code: 'PETIOLE_INVARIANT' })
  })
})

describe('errors', () => {
  it('tell their code and text, whatever was thrown', () => {
    const cause = new Error('why')
    const error = new PetioleError('PETIOLE_STORE_FULL', 'no room', { cause })
    assert.equal(codeOf(error), 'PETIOLE_STORE_FULL')
    assert.equal(error.cause, cause)
    assert.equal(codeOf(Object.assign(new Error('x'), { code: 'ENOSPC' })), 'ENOSPC')
    for (const odd of ['text', undefined, null, 7, { code: 7 }]) assert.equal(codeOf(odd), '')
    assert.equal(messageOf('text'), 'text')
    assert.equal(messageOf(error), 'no room')
    invariant(1, 'holds')
    assert.throws(() => invariant(0, 'broken'), /broken invariant: broken/)
  })
})
