import assert from 'node:assert/strict'
import { compilePermissions } from '../../../shared/account/index.ts'
import { PERMITTED_REPLIES_MAX } from '../../../shared/broker/limits.ts'
import { PermissionGuard } from '../../../shared/broker/permission-guard.ts'
import { Route } from '../../../shared/broker/route.ts'
import { ManualClock } from '../../support/manual-clock.ts'

describe('permission guard', () => {
  const clock = new ManualClock()

  function guardOf(max: number, expires: number): PermissionGuard {
    const permissions = compilePermissions({
      publish: { allow: ['pub.>'], deny: ['pub.no'] },
      subscribe: { allow: undefined, deny: ['s.no'] },
      allow_responses: { max, expires },
    })
    return new PermissionGuard(permissions, clock)
  }

  const routeTo = (subject: string): Route => new Route(subject, 0, 0, 0)

  it('lets a delivered request be answered, so often', () => {
    const guard = guardOf(2, 0)
    assert.equal(guard.mayPublish('in.1'), false)
    guard.delivered('in.1')
    guard.delivered('pub.a')
    assert.deepEqual(
      [1, 2, 3].map(() => guard.mayPublish('in.1')),
      [true, true, false],
    )
    guard.delivered('in.1')
    assert.equal(guard.mayPublish('in.1'), true)
    assert.equal(guard.mayPublish('pub.a'), true)
    assert.equal(guard.mayPublish('pub.no'), false)
  })

  it('and so long', () => {
    const guard = guardOf(-1, 1_000)
    guard.delivered('in.1')
    clock.advance(1_000)
    assert.equal(guard.mayPublish('in.1'), true)
    clock.advance(1)
    assert.equal(guard.mayPublish('in.1'), false)
  })

  it('says the same of a route that it remembers', () => {
    const guard = guardOf(1, 0)
    const [allowed, reply] = [routeTo('pub.a'), routeTo('in.1')]
    for (let i = 0; i < 3; i++) {
      assert.equal(guard.mayPublishTo(allowed), true)
      assert.equal(guard.mayPublishTo(reply), false)
    }
    guard.delivered('in.1')
    assert.equal(guard.mayPublishTo(reply), true)
    assert.equal(guard.mayPublishTo(reply), false)
  })

  it('forgets the oldest of too many requests that nobody answers', () => {
    const guard = guardOf(-1, 0)
    for (let i = 0; i <= PERMITTED_REPLIES_MAX; i++) guard.delivered(`in.${i}`)
    assert.equal(guard.mayPublish('in.0'), false)
    assert.equal(guard.mayPublish('in.1'), true)
    assert.equal(guard.mayPublish(`in.${PERMITTED_REPLIES_MAX}`), true)
  })

  it('filters what a wildcard subscription may not get, whatever is asked in between', () => {
    const guard = guardOf(1, 0)
    assert.equal(guard.filtersDeliveries('s.*', ''), true)
    assert.equal(guard.filtersDeliveries('t.*', ''), false)
    for (let i = 0; i < 10_000; i++) assert.equal(guard.mayReceive(`s.${i}`, ''), true)
    assert.equal(guard.mayReceive('s.no', ''), false)
    assert.equal(guard.mayReceive('s.no', ''), false)
  })
})
