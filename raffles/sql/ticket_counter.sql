-- The hottest row of all: half of each page stays free, so that a row's new version fits beside the old one.
ALTER TABLE raffles_ticketcounter SET (fillfactor = 50);
