alter table terms add column weight int not null default 1;
