// What each check means, for people: its title, and what it would mean if it failed.

export const CHECKS = {
  bundle: ["The result file is complete", "It is damaged or incomplete, so that nothing in it can be relied on."],
  protocol: ["It follows the published rules", "It claims to follow other rules than the published ones."],
  "manifest JSON": ["The promise can be read in one way only", "The promise is damaged, or could be read in two ways."],
  "manifest canonical": [
    "The promise is in its one standard form",
    "The promise was written differently than promised.",
  ],
  "manifest hash": [
    "The promise has the fingerprint it claims",
    "The promise was changed after its fingerprint was taken.",
  ],
  "manifest content": ["The promise names everything it must", "Something that had to be promised is missing or odd."],
  "manifest raffle": [
    "The result and the promise are of one raffle",
    "The result belongs to another raffle than the promise.",
  ],
  "manifest beacon": [
    "The randomness is from the promised source",
    "Another source of randomness was used than promised.",
  ],
  "entries file": [
    "Every line of the entries can be read",
    "The entries file is damaged, cut short or not one of ours.",
  ],
  "entries order": [
    "No two entries share a ticket",
    "Entries overlap or are out of order: a ticket could count twice.",
  ],
  "entries unique": ["No entry is listed twice", "An entry is listed twice."],
  "entries limits": [
    "The promised limits were kept",
    "More tickets are in than were promised, in all or for one entry.",
  ],
  "entries count": ["The number of entries is right", "Entries were added to or removed from the file."],
  "entries tickets": ["The number of tickets is right", "Tickets were added to or removed from the file."],
  "entries root": [
    "The entries have the published fingerprint",
    "The entries are not those that were fixed before the draw.",
  ],
  commitment: ["The result says where it was published", "What it says of its publication contradicts itself."],
  "beacon chain": ["The source of randomness is named truly", "It passes itself off as the public beacon, and is not."],
  "beacon round": [
    "The round was not chosen by anybody",
    "Another round was used than the rules say: it may have been chosen.",
  ],
  "beacon signature": [
    "The randomness is signed by its source",
    "The randomness does not come from the promised source.",
  ],
  "beacon randomness": [
    "The random number follows from that signature",
    "The random number is not that of the signature.",
  ],
  seed: ["The seed follows from all of the above", "The draw was computed from something else than these facts."],
  "picks number": ["There are as many picks as promised", "Picks were left out or added."],
  "picks indices": [
    "Every pick follows from the seed, in order",
    "A pick does not follow from the seed: it was changed.",
  ],
  "picks entries": ["Each picked ticket belongs to its entry", "A pick names a ticket or entry that was not picked."],
  "picks roles": ["Each pick has the prize it should have", "A prize was given to another pick than promised."],
  "picks paths": ["Each pick's proof leads to the fingerprint", "A pick's own proof does not hold."],
};
