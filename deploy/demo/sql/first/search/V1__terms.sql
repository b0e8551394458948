create table terms (id bigint auto_increment primary key, term varchar(200) not null);
create index terms_by_term on terms (term);
insert into terms (term) values ('gate'), ('lock'), ('sluice');
