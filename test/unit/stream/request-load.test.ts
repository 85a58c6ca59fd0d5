import assert from 'node:assert/strict'
import { RequestLoad } from '../../../shared/stream/api/request-load.ts'
import { UNLIMITED } from '../../../shared/stream/index.ts'
import { API_REQUEST_BYTES_MAX } from '../../../shared/stream/limits.ts'

describe('requests that are under way', () => {
  const server = { ...UNLIMITED.server, apiRequestsMax: 2, apiInfosMax: 1 }
  const asking = { isAsking: true, bytes: 10 }
  const changing = { isAsking: false, bytes: 10 }

  it('are so many, and those that only ask have a bound of their own', () => {
    const load = new RequestLoad(server)
    assert.deepEqual(
      [changing, changing, changing].map((it) => load.begin(it)),
      [true, true, false],
    )
    assert.deepEqual(
      [asking, asking].map((it) => load.begin(it)),
      [true, false],
    )
    load.end(asking)
    assert.ok(load.begin(asking))
    assert.equal(load.begin(changing), false)
  })

  it('hold so much, but one of them may be as large as it is', () => {
    const load = new RequestLoad(UNLIMITED.server)
    const huge = { isAsking: false, bytes: API_REQUEST_BYTES_MAX + 1 }
    assert.ok(load.begin(huge))
    assert.equal(load.begin(asking), false)
    load.end(huge)
    const half = { isAsking: false, bytes: API_REQUEST_BYTES_MAX / 2 }
    assert.deepEqual(
      [half, half, asking].map((it) => load.begin(it)),
      [true, true, false],
    )
  })
})
