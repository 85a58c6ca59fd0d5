/**
 * Preloaded into Deno: gives each test of the suite a deadline. Deno has none, and one test that waits for
 * ever would take the results of its whole file with it.
 */
const { Deno } = globalThis
const limitMs = Number(Deno.env.get('CONFORMANCE_TEST_MS') ?? 30_000)
const register = Deno.test

/** The name of a test is read from its function where it has no other, so the new one bears it too. */
function limited(run) {
  const inTime = async (context) => {
    let timer
    const overdue = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${limitMs} ms`)), limitMs)
    })
    try {
      await Promise.race([run(context), overdue])
    } finally {
      clearTimeout(timer)
    }
  }
  return Object.defineProperty(inTime, 'name', { value: run.name })
}

/** A test comes as name and function, as a description with the function in it, or as a mix of the two. */
function withLimit(...args) {
  return register(
    ...args.map((arg) => {
      if (typeof arg === 'function') return limited(arg)
      return typeof arg?.fn === 'function' ? { ...arg, fn: limited(arg.fn) } : arg
    }),
  )
}

Deno.test = Object.assign(withLimit, register)
