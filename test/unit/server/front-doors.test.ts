import assert from 'node:assert/strict'
import type { Core, FrontDoor } from '../../../shared/server/core.ts'
import { FrontDoors } from '../../../shared/server/front-doors.ts'

describe('front doors', () => {
  it('bring back what they keep before any port is open, and open their own last', async () => {
    const steps: string[] = []
    const door = (name: string): FrontDoor => ({
      name,
      port: name.length,
      open: async () => void steps.push(`open ${name}`),
      start: async () => void steps.push(`start ${name}`),
      purge: async (account) => void steps.push(`purge ${account} ${name}`),
      drain: async () => void steps.push(`drain ${name}`),
      destroy: async () => void steps.push(`destroy ${name}`),
    })
    const plain: FrontDoor = {
      name: 'plain',
      port: 0,
      start: async () => {},
      drain: async () => {},
      destroy: async () => {},
    }
    const doors = new FrontDoors([door('a'), door('bb'), plain])
    const ports = await doors.open({} as Core, async () => {
      steps.push('listen')
      return { client: 1 } as never
    })
    await doors.purge('X')
    await doors.drain()
    await doors.destroy()
    assert.deepEqual(ports.frontDoors, { a: 1, bb: 2, plain: 0 })
    assert.deepEqual(steps, [
      'open a',
      'open bb',
      'listen',
      'start a',
      'start bb',
      'purge X a',
      'purge X bb',
      'drain a',
      'drain bb',
      'destroy a',
      'destroy bb',
    ])
  })
})
