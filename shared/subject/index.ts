/** Subjects and their wildcards: rules, one compiled filter, and a tree of many. */
export { hasWildcard, isLiteral, isValidSubject, overlaps, subsetOf } from './subject.ts'
export { SubjectFilter } from './subject-filter.ts'
export { SubjectTree } from './subject-tree.ts'
