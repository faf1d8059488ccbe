/** What this process must never print: tokens and passwords of its own, from the moment they are known. */
export const ownSecrets = new Set<string>();

/** Own secrets that are shorter are placeholders, and no more than a nuisance when masked. */
export const leastOwnSecret = 4;
